"""A job's field or log as a file: secrets masked, handed over piece by piece, never shown by the browser itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from dashboard.pages.payload.cards import SLICE_BYTES, masked
from dashboard.pages.payload.json_rows import Place, after_string, slice_of
from dashboard.pages.payload.log_lines import ANSI
from queues.errors import NotFound
from queues.lookups.logs import forwards
from queues.lookups.payloads import job_payload
from queues.masking import mask_text
from queues.protocol.codec import raw, text

#: Rows of one piece; they are only counted.
MOST_ROWS = 20_000


async def download(
    connection: str, queue: str, job_id: str, field: str, added_ms: int | None = None
) -> StreamingHttpResponse:
    """Raises NotFound where the job has no such field."""
    pieces: AsyncIterator[bytes]
    if field == "logs":
        pieces = _log(connection, queue, job_id)
    else:
        value = await job_payload(connection, queue, job_id, field, added_ms)
        if value is None:
            words = {"queue": queue, "field": field[:60], "id": job_id}
            raise NotFound(_("Queue “%(queue)s” holds no %(field)s of a job “%(id)s”.") % words)
        pieces = _pieces(value)
    name = f"{queue}-{job_id}-{field}.{'txt' if field in ('failedReason', 'logs') else 'json'}"
    headers = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    return StreamingHttpResponse(pieces, content_type="application/octet-stream", headers=headers)


async def _pieces(value: bytes) -> AsyncIterator[bytes]:
    """The value with its secrets masked, which takes a processor: in a thread, so that others are served meanwhile."""
    place: Place | None = Place()
    while place is not None:
        piece, place = await asyncio.to_thread(_piece, value, place)
        yield piece


def _piece(value: bytes, place: Place) -> tuple[bytes, Place | None]:
    stored = text(value[place.at : place.at + SLICE_BYTES])
    is_cut = place.at + SLICE_BYTES < len(value)
    if place.at == 0 and stored.lstrip()[:1] not in ("{", "["):
        return raw(mask_text(text(value))), None
    found = slice_of(stored, place, is_cut=is_cut, most=MOST_ROWS, deepest=len(stored))
    if found.rest is None:
        # Of what is no JSON from here on all the rest, as text too.
        return raw(mask_text(masked(text(value[place.at :]), place)) if is_cut else masked(stored, place)), None
    if found.rest.is_inside_text:
        # A string longer than a piece: whole, so that what it is can be seen.
        then = after_string(value, found.rest)
        return raw(masked(text(value[place.at : then.at]), place)), then if then.at < len(value) else None
    return raw(masked(stored[: found.length], place)), found.rest


async def _log(connection: str, queue: str, job_id: str) -> AsyncIterator[bytes]:
    """The whole log, or its end where it is longer than anybody reads. What coloured it stays out."""
    async for lines in forwards(connection, queue, job_id):
        yield b"".join(raw(mask_text(ANSI.sub("", line))) + b"\n" for line in lines)
