"""Rows as a file, streamed: CSV in cells that no spreadsheet runs, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing

from django.http import StreamingHttpResponse

from queues.lookups.crowd import few

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson; charset=utf-8"}
#: With these a cell begins that a spreadsheet takes for a formula; also after spaces, and in their wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")

#: What a spreadsheet whose separator is another takes for the beginning of a cell.
_INNER = re.compile(r"([;\t\r\n][ \u00a0\ufeff]*)(?=[=+\-@＝＋－＠|%])")


def attached(pieces: AsyncGenerator[bytes, None], name: str, form: str, who: int | None) -> StreamingHttpResponse:
    """`who` gets few at once; more wait for their turn."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingHttpResponse(_in_turn(pieces, who), content_type=FORMATS[form], headers=headers)


async def _in_turn(pieces: AsyncGenerator[bytes, None], who: int | None) -> AsyncIterator[bytes]:
    async with few(who, "export", None), aclosing(pieces):
        async for piece in pieces:
            yield piece


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
    told = _INNER.sub(r"\1'", str(value).replace("\0", "\ufffd"))
    return f"'{told}" if told.lstrip(" \u00a0\ufeff").startswith(_FORMULA) else told
