"""Log lines: levels that are meant as such, nothing that drives a terminal."""

from __future__ import annotations

import time

import pytest

from dashboard.pages.payload.log_lines import level, plain


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ERROR could not connect", "error"),
        ("[warn] slow", "warning"),
        ("error: it broke", "error"),
        ('{"level":"info","msg":"hi"}', "info"),
        ('{"level":50,"msg":"pino"}', "error"),
        ("level=debug msg=hi", "debug"),
        ("2026-11-24T14:02:11.482000Z warning  queues.worker: failed", "warning"),
        ("14:02:11 INFO started", "info"),
        ("\x1b[31mred\x1b[0m", "error"),
        ("\x1b[1;33mcareful\x1b[0m", "warning"),
        ("FATAL", "error"),
        ("no error found", ""),
        ("information about errors", ""),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_a_level_is_what_is_written_as_one(line, expected):
    assert level(line) == expected


def test_colours_leave_and_what_would_drive_a_terminal_becomes_visible():
    assert plain("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 \x1b[2Kline") == "red link line"
    assert plain("a\x00b\x07c\u202ed\ttab") == "a\\x00b\\x07c\\u202ed\ttab"
    assert plain("half \x1b[3") == "half "


@pytest.mark.parametrize("line", ["\x1b[" * 4_000, "\x1b]" * 4_000, "[" * 8_000, "1-" * 4_000, "level" * 1_600])
def test_a_hostile_line_takes_no_time(line):
    began = time.process_time()
    plain(line)
    level(line)
    assert time.process_time() - began < 0.1
