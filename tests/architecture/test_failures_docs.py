"""docs/failures.md says the windows, times, bounds and actions that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from queues.abilities import ACTIONS
from queues.lookups.failures import WINDOWS
from queues.lookups.failures.groups import SHOWN, SORTS
from queues.mirror.failure_rows import FORGOTTEN_S, KEPT_S, MOST_OF_A_NAME

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs" / "failures.md").read_text().split())


def test_the_windows_and_how_long_counts_are_kept() -> None:
    windows = [re.sub(r"(\d+)(\w)", r"\1 \2", name) for name in WINDOWS]
    assert f"Windows are {', '.join(windows[:-1])} and {windows[-1]};" in PAGE
    minute, ten, hour = KEPT_S.values()
    told = f"by minute for {minute // 3600} h, by ten minutes for {ten // 86_400} d, by the hour for {hour // 86_400} d"
    assert told in PAGE
    assert f"more than {FORGOTTEN_S // 86_400} days ago is forgotten" in PAGE
    assert all(KEPT_S[window.step_s] > window.span_s - window.column_s for window in WINDOWS.values())


def test_the_bounds_actions_and_what_an_address_may_say() -> None:
    assert f"at most {MOST_OF_A_NAME} causes" in PAGE
    assert set(re.findall(r"`(failure\.\w+)`", PAGE)) == {action for action in ACTIONS if action.startswith("failure.")}
    address = PAGE.partition("## By address")[2]
    assert set(SHOWN) | set(SORTS) <= set(re.findall(r"`(\w+)`", address))
