"""Cells that no spreadsheet runs, for every export as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

#: With these a cell begins that a spreadsheet takes for a formula; also after spaces, and in their wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """As CSV, each cell guarded."""
    written = io.StringIO()
    csv.writer(written).writerows([guarded(cell) for cell in row] for row in rows)
    return written.getvalue()


def guarded(value: object) -> str:
    """A text that a spreadsheet shows and never runs; numbers stay numbers."""
    if isinstance(value, int):
        return str(value)
    told = str(value).replace("\0", "\ufffd")
    return f"'{told}" if told.lstrip(" \u00a0\ufeff").startswith(_FORMULA) else told
