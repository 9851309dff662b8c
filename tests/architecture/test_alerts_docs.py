"""docs/alerts.md has every kind with its levels, every key with its default, and the bounds that the code keeps."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

from queues.alerting import gathering, judging
from queues.mirror import alerts as duty
from queues.options import AlertOptions
from queues.options.alert_rules import KINDS, Rule, Unit

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "alerts.md").read_text()
FLAT = " ".join(PAGE.split())
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", PAGE, re.MULTILINE))
UNITS = {Unit.JOBS: "jobs", Unit.TIMES: "times", Unit.SECONDS: "s", Unit.PERCENT: "%"}


def test_every_kind_has_its_row_with_its_levels() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|", PAGE, re.MULTILINE)
    told = {name: tuple(cell.strip() for cell in cells) for name, *cells in rows}
    expected = {
        kind.name: (
            "1 job" if (kind.fires, kind.unit) == (1, Unit.JOBS) else f"{kind.fires:g} {UNITS[kind.unit]}",
            f"{kind.clears:g} {UNITS[kind.unit]}",
            f"{kind.hold_s} s",
        )
        for kind in KINDS.values()
    }
    assert told == expected


def test_every_key_has_its_row_with_its_default() -> None:
    # The package's own name for it is the function.
    options, rules = import_module("queues.options.alerts"), import_module("queues.options.alert_rules")
    assert set(ROWS) == {*options._READERS, "RULES", "CHANNELS", "BUILT_IN", "KIND", *rules._READERS}
    defaults = {field.name.upper(): field.default for field in (*fields(AlertOptions), *fields(Rule))}
    for name, told in ROWS.items():
        default = defaults.get(name, MISSING)
        if default not in (MISSING, None, "", ()) and not isinstance(default, tuple):
            assert told.strip() == str(default), name


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"every rule every {duty.EVERY_S:g} s" in FLAT
    assert [round(after / 60, 2) for after in duty.AGAIN_S] == [0.25, 1, 2, 5, 10, 30, 60]
    assert (duty.HEARTBEAT_EVERY_S, judging.LONGEST_GAP.total_seconds(), duty.REST) == (60, 60, 10)
    assert f"no more often than every {gathering.SLOW_EVERY_S:g} s" in FLAT
