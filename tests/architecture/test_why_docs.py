"""docs/why.md has a row for each cause, and for nothing else."""

import re
from pathlib import Path

from queues.lookups.why import Cause

PAGE = Path(__file__).resolve().parents[2] / "docs" / "why.md"


def test_every_cause_has_its_row():
    rows = re.findall(r"^\| ([a-z_]+) \|", PAGE.read_text(), re.MULTILINE)
    assert [row for row in rows if row != "cause"] == [cause.value for cause in Cause]
