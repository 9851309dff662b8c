"""docs/search.md says what a search may hold: every field, state and bound is the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from queues.lookups import search
from queues.lookups.search import entries, indexed, keys, live, query, rows
from queues.states import LISTED

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "search.md").read_text()
TABLE = PAGE.partition("| part | finds |")[2].partition("\n\n")[0]


def test_every_field_is_described_and_every_description_is_a_field():
    described = set(re.findall(r"^\| `([a-z]+):", TABLE, re.MULTILINE))
    assert described == set(keys.KEYS)
    assert "| `data.user.id:42` |" in TABLE
    assert all(f"`{state.value}`" in TABLE for state in LISTED)
    assert all(f"`is:{kind}`" in TABLE for kind in ("removed", "live", "child"))
    assert all(f"`{unit}`" in TABLE for unit in keys.UNITS_MS)


@pytest.mark.parametrize("example", re.findall(r"`([^`\n]+)`", PAGE.partition("## Who finds what")[0]))
def test_what_the_page_shows_can_be_searched_for(example):
    if ":" in example or "*" in example:
        search.parse(example, 0)


def test_bounds_are_those_of_the_code():
    assert f"the first {entries.MOST_FIELDS} fields" in PAGE
    assert f"first {entries.FIELDS_WITHIN // 1024} KB" in PAGE
    assert f"error ({entries.ERROR_WITHIN // 1024} KB)" in PAGE
    assert entries.WORDS_WITHIN == 1024
    assert f"up to {entries.MOST_ATTEMPTS - 1}." in PAGE
    assert f"exact up to {indexed.MOST_COUNTED:,}" in PAGE
    assert f"at most {live.CHUNK} jobs, {live.MOST_JOBS:,} jobs, {live.MOST_BYTES >> 20} MB" in PAGE
    assert (live.MOST_S, rows.MOST_S) == (1.0, 1.0)
    assert f"{rows.MOST_ROWS:,} rows" in PAGE
    assert query.LONGEST < 10_240
