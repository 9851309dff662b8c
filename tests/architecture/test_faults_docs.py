"""docs/faults.md names tests that are there, and none of its lines twice."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "faults.md").read_text()
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
LINE = re.compile(r"^\| (A\d\.\d+) \|", re.MULTILINE)
#: How many faults of each kind are known.
KNOWN = {"A1": 12, "A2": 11, "A3": 22, "A4": 6, "A6": 8, "A7": 11, "A8": 7}


def test_every_test_that_the_page_of_faults_names_is_there() -> None:
    named = NAMED.findall(PAGE)
    missing = [f"{file}::{test}" for file, test in named if not _has(TESTS / file, test)]
    assert len(named) > 100
    assert missing == []


def _has(file: Path, test: str) -> bool:
    return file.is_file() and re.search(rf"def {test}\(", file.read_text()) is not None


def test_every_known_fault_has_its_line() -> None:
    assert LINE.findall(PAGE) == [f"{kind}.{number}" for kind, most in KNOWN.items() for number in range(1, most + 1)]
