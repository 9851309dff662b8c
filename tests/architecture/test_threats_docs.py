"""docs/threats.md names every attack once, and tests that are there."""

from __future__ import annotations

import re

import pytest

from tests.stand import ROOT

TEXT = (ROOT / "docs" / "threats.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


def test_every_attack_of_the_catalogue_has_its_row():
    rows = re.findall(r"^\| ([AB][\d.]+) \|", TEXT, re.MULTILINE)
    assert rows == [*(f"B{number}" for number in range(1, 45)), *(f"A5.{number}" for number in range(1, 9))]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_is_named_is_there(path, name):
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
