"""Stored JSON as rows: exact, bounded, sliced anywhere, and inert as markup."""

from __future__ import annotations

import json
import re
import time
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.pages.payload.json_html import drawn
from dashboard.pages.payload.json_rows import DEEPEST, LONGEST_TEXT, Place, Row, after_string, readable, slice_of

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def laid_out(stored: str) -> str:
    return drawn(slice_of(stored, Place(), is_cut=False).rows, has_start=True)


def sliced(value: bytes, size: int, most: int = 1_000) -> list[Row]:
    """All rows, read as a person does who asks for more again and again."""
    rows: list[Row] = []
    place: Place | None = Place()
    while place is not None:
        piece = value[place.at : place.at + size].decode("utf-8", "ignore")
        found = slice_of(piece, place, is_cut=place.at + size < len(value), most=most)
        rows += found.rows
        assert found.rest is None or found.rest.at > place.at or found.rest.is_inside_text
        place = found.rest and (after_string(value, found.rest) if found.rest.is_inside_text else found.rest)
    return rows


def in_a_line(rows: list[Row]) -> str:
    """Whether a short list stands on one line depends on whether its end is in the slice."""
    told = ("".join((f"{row.key}:" if row.key else "", row.body, "," if row.comma else "")) for row in rows)
    return "".join(told).replace(" ", "")


@given(value=values, is_compact=st.booleans())
def test_laid_out_json_is_the_same_json(value, is_compact):
    stored = json.dumps(value, separators=(",", ":") if is_compact else None)
    assert json.loads(plain(laid_out(stored))) == value


@given(stored=st.text(alphabet="{}[]\":,\\ab<&'0 \n"))
def test_laying_out_never_fails_and_never_lets_markup_through(stored):
    assert not re.search(
        r"<(?!(?:span|i|details|summary)(?: [a-z-]+=\"[\w -]*\")*>|/(?:span|i|details|summary)>)", laid_out(stored)
    )


@given(value=values, size=st.integers(60, 300), most=st.integers(1, 9))
def test_slices_end_to_end_are_the_rows_of_the_whole(value, size, most):
    stored = json.dumps({"outer": [value, {"then": value}], "last": value})
    in_parts = sliced(stored.encode(), max(size, 8 * len(max(stored.split(), key=len))), most)
    whole = slice_of(stored, Place(), is_cut=False, most=100_000).rows
    assert in_a_line(in_parts) == in_a_line(whole)


def test_numbers_keep_every_digit():
    exact = ["12345678901234567890", "1.10", "1E+400", "-0.0", "0.30000000000000004"]
    # A list too long for one line, so that each is a row of its own.
    stored = f"[{','.join([*exact, json.dumps('x' * 80)])}]"
    assert re.findall(r'class="no">([^<]*)', laid_out(stored)) == exact
    assert all(number in laid_out(f"[{','.join(exact[:2])}]") for number in exact[:2])


def test_short_lists_stay_on_one_line_and_long_ones_do_not():
    assert plain(laid_out('{"a":[1,2],"b":{}}')).splitlines() == ["{", '  "a": [1, 2],', '  "b": {}', "}"]
    assert plain(laid_out(json.dumps(["x" * 40, "y" * 40]))).count("\n") == 4


def test_list_items_know_their_number_in_a_later_slice_too():
    stored = json.dumps([{"id": n, "text": "x" * 80} for n in range(50)]).encode()
    rows = [row for row in sliced(stored, 1_000) if row.kind == "open" and row.number is not None]
    assert [row.number for row in rows] == list(range(50))


@pytest.mark.parametrize("stored", ["[" * 65_536, '{"a":' * 13_000, "[1," * 20_000, '"' + "\\" * 60_000])
def test_hostile_nesting_costs_neither_time_nor_space(stored):
    began = time.process_time()
    html = laid_out(stored)
    assert time.process_time() - began < 0.5
    if stored[0] != '"':
        assert len(html) < 20_000
        assert slice_of(stored, Place(), is_cut=False).rows[-1].kind == "deep"
        assert DEEPEST < html.count('role="treeitem"') <= 2 * DEEPEST + 1


def test_a_string_longer_than_a_slice_is_shown_in_part_and_then_passed():
    stored = json.dumps({"a": "x" * 50_000, "b": 12345678901234567890}).encode()
    found = slice_of(stored[:10_000].decode(), Place(), is_cut=True)
    assert (found.rows[-1].key, found.rows[-1].is_part) == ('"a"', True)
    assert len(found.rows[-1].body) == LONGEST_TEXT
    assert len(found.rows[-1].tail) > 7_000
    assert found.rest is not None
    then = after_string(stored, found.rest)
    assert [row.body for row in slice_of(stored[then.at :].decode(), then, is_cut=False).rows] == [
        "12345678901234567890",
        "}",
    ]


def test_escaped_letters_are_read_as_letters_unless_they_would_deceive():
    assert readable('"caf\\u00e9 \\ud83d\\udc02"') == '"café 🐂"'
    for kept in ('"\\u202e"', '"\\ud83d"', '"\\u0000"', '"\\u00e'):
        assert readable(kept) == kept
