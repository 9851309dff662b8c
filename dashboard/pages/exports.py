"""Rows as a file, streamed: CSV in cells that no spreadsheet runs, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from django.http import StreamingHttpResponse

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson; charset=utf-8"}
#: With these a cell begins that a spreadsheet takes for a formula; also after spaces, and in their wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def attached(pieces: AsyncIterator[bytes], name: str, form: str) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingHttpResponse(pieces, content_type=FORMATS[form], headers=headers)


def head(columns: Sequence[str], form: str) -> bytes:
    return _as_csv([columns]).encode() if form == "csv" else b""


def written(rows: Iterable[Mapping[str, object]], columns: Sequence[str], form: str) -> bytes:
    """Each with these columns, in their order."""
    if form == "csv":
        told = _as_csv([row[name] for name in columns] for row in rows)
    else:
        told = "".join(json.dumps({name: row[name] for name in columns}, ensure_ascii=False) + "\n" for row in rows)
    return told.encode("utf-8", "replace")


def _as_csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_guarded(cell) for cell in row] for row in rows)
    return text.getvalue()


def _guarded(value: object) -> str:
    """A text that a spreadsheet shows and never runs; numbers stay numbers."""
    if isinstance(value, int):
        return str(value)
    told = str(value).replace("\0", "\ufffd")
    return f"'{told}" if told.lstrip(" \u00a0\ufeff").startswith(_FORMULA) else told
