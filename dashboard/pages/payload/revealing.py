"""One field of a job with its secrets, for this one answer: by POST, for whoever may, and recorded before that."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.job.acts import Address
from dashboard.pages.job.incarnation import added_ms, named
from dashboard.pages.shell.frame import frame
from dashboard.request import Request
from queues.actions.revealing import reveal_field
from queues.errors import InvalidInput
from queues.lookups.logs import forwards
from queues.lookups.payloads import job_payload
from queues.protocol.codec import raw, text

#: What is longer is shown so far; the file has all of it.
SHOWN_BYTES = 256 * 1024
#: BullMQ's name → what the page calls it.
FIELDS = ("data", "opts", "returnvalue", "progress", "failedReason", "stacktrace", "logs")
#: These have a card of their own on the page, which is replaced.
CARDS = frozenset({"data", "opts", "returnvalue", "progress"})


async def act(request: Request, at: Address) -> HttpResponse:
    """`?action=reveal` with `field`, and `as=file` for the whole of it as a file."""
    at.grants.require("job.payload")
    at.grants.require("job.reveal")
    field = request.POST.get("field", "")
    if field not in FIELDS:
        raise InvalidInput(_("There is no such field."))
    value = await reveal_field(*at.job, field, lambda: _read(at, field, added_ms(request)))
    if request.POST.get("as") == "file":
        return _file(at, field, value)
    shown = {
        "job": named(request, at.connection, at.queue, at.job_id),
        "field": field,
        "is_card": field in CARDS,
        "value": text(value[:SHOWN_BYTES]),
        "is_cut": len(value) > SHOWN_BYTES,
    }
    if wants_fragment(request):
        return render(request, "job/revealed.html", shown)
    return render(request, "job/alone.html", frame(None, part="job/revealed.html", **shown))


async def _read(at: Address, field: str, added: int | None) -> bytes | None:
    if field != "logs":
        return await job_payload(at.connection, at.queue, at.job_id, field, added)
    pieces = [raw(line) + b"\n" async for lines in forwards(at.connection, at.queue, at.job_id) for line in lines]
    return b"".join(pieces) or None


def _file(at: Address, field: str, value: bytes) -> HttpResponse:
    name = f"{at.queue}-{at.job_id}-{field}.{'txt' if field in ('failedReason', 'logs') else 'json'}"
    headers = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    return HttpResponse(value, content_type="application/octet-stream", headers=headers)
