"""docs/live.md says what the settings are, the bounds that the code keeps, and every code and name that is told."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from dashboard.live import commands, facts, listener, notice, sse
from dashboard.live.codes import Close
from queues.inprocess import stream
from queues.options import LiveOptions
from queues.protocol.reads import carried
from queues.runs.notice import MOST_BYTES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "live.md").read_text()
FLAT = " ".join(PAGE.split())
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", PAGE, re.MULTILINE))


def test_every_setting_has_its_row_with_its_default() -> None:
    # The package's own name for it is the function.
    assert set(ROWS) == set(import_module("queues.options.live")._KEYS)
    for name, default in ROWS.items():
        value = getattr(LiveOptions(), name.lower())
        said = f"{value:,}" if isinstance(value, int) else ", ".join(f"`{each}`" for each in value) or "none"
        assert default.strip() == said


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"did not read for {listener.STUCK_S:g} s, or {listener.MOST_WAITING:,} messages waited" in FLAT
    assert (
        f"more than {commands.PER_S:g} messages a second, or one of more than {commands.MOST_CHARS // 1024} KB" in FLAT
    )
    assert f"larger than {notice.LARGEST_CHARS // 1024} KB (`progressTooLarge`)" in FLAT
    assert f"for the last {facts.MOST_JOBS:,} jobs" in FLAT
    assert f"if that is not over {carried.LARGEST // 2**20} MB" in FLAT
    assert f"at most {MOST_BYTES // 1024} KB in all" in FLAT
    assert f"the last {stream.MOST:,} events" in FLAT
    assert f"retry: {sse.RETRY_MS}" in PAGE


def test_every_code_with_which_a_socket_is_closed_is_explained() -> None:
    assert set(re.findall(r"^\| (4\d\d\d) \|", PAGE, re.MULTILINE)) == {str(int(code)) for code in Close}


def test_every_step_is_named() -> None:
    for step in notice.STEPS.values():
        assert f"`job:{step}`" in PAGE
