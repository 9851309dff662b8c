"""docs/mirror.md says what the settings of the mirror are, and the bounds that the code keeps."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from queues.management.commands.runmirror import NICENESS
from queues.mirror import follow, mend, prune, session, sides, store
from queues.options import MirrorOptions, Policy
from queues.options import mirror as reading

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "mirror.md").read_text()
FLAT = " ".join(PAGE.split())
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", PAGE, re.MULTILINE))


def test_every_setting_has_its_row_with_its_default() -> None:
    # The package's own name for it is the function.
    module = import_module("queues.options.mirror")
    assert set(ROWS) == {*module._POLICY, *module._BOUNDS, "QUEUES"}
    for name, default in ROWS.items():
        if name != "QUEUES":
            holder = Policy() if name in module._POLICY else MirrorOptions()
            value = getattr(holder, name.lower())
            assert default.strip() == (f"{value:,}" if isinstance(value, int) else value)


def test_the_bounds_are_those_of_the_code() -> None:
    assert reading({}) == MirrorOptions()
    assert f"at most {follow.MOST_EVENTS:,} events at a time" in FLAT
    assert f"at most {store.MOST_ROWS} rows at a time" in FLAT
    assert f"every {session.SWEEP_EVERY_S:g} s where nothing was heard" in FLAT
    assert f"Every {mend.PATROL_EVERY_S / 60:g} minutes it compares" in FLAT
    assert f"({mend.LONGEST_REST_S:g} s at most)" in FLAT
    assert f"`--nice {NICENESS}`" in FLAT
    assert f"reads at most {sides.CHUNK} jobs per round trip" in FLAT
    assert f"{follow.MOST_BYTES // 2**20} MB of events" in FLAT
    assert (follow.LONGEST_GATHER_S, sides.REST, follow.SKIP_AFTER_S) == (0.5, 0.5, 60.0)
    assert f"takes {prune.BATCH} rows per commit, every {prune.EVERY_S:g} s" in FLAT
    assert f"measured every {prune.MEASURE_EVERY_S / 60:g} minutes from a sample of {prune.SAMPLE:,} rows" in FLAT
