"""Tests that failed beside others, once more and each alone: a fault is told from a machine that had too much to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from house.voice import painted

#: Names the file into which tests/conftest.py writes what failed: the test's id and what it said.
LISTED_IN = "TORIL_TESTS_FAILED"
#: More than so many at once is no accident, and none is run again.
MOST = 12
HEADING = "failed beside others, passed alone"


def fail_alone(listed: Path, run: Callable[[str], tuple[int, str]]) -> bool:
    """Whether any of the tests that failed fails again; what passes is printed all the same, and why it failed.

    `run` runs one test, nothing beside it: the exit code, and what it printed.
    """
    said: dict[str, str] = json.loads(listed.read_text()) if listed.exists() else {}
    if not 0 < len(said) <= MOST or not all("::" in test for test in said):
        return True
    outcomes = {test: run(test) for test in said}
    for test, (code, output) in outcomes.items():
        if code:
            print(f"\n{painted(f'failed again, alone: {test}', '31')}\n{output}", flush=True)
    passed = [test for test, (code, _) in outcomes.items() if code == 0]
    if passed:
        print(painted(f"\n{f' {len(passed)} {HEADING} ':!^100}", "1;33"))
        for test in passed:
            print(painted(test, "33"), *said[test].splitlines(), sep="\n    ")
        print(painted("!" * 100, "1;33"), flush=True)
    return len(passed) < len(said)
