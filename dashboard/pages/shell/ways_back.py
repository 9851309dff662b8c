"""The Undo that a notice offers: where it leads, until when, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from django.http import HttpResponse, QueryDict

from dashboard import links
from dashboard.grants import Grants
from dashboard.pages.listing.state import Listing
from dashboard.pages.shell.frame import go
from dashboard.request import Request
from queues.actions import undo
from queues.actions.audit import Offer
from queues.errors import NotFound, Refused
from queues.lookups.snapshot import refresh
from queues.models import Queue

#: Parts a message's kind from its way back, in what Django calls its extra tags.
_JOINT = "|"


@dataclass(frozen=True, slots=True)
class WayBack:
    """`to` is the address that undoes; `back` the query of the list in which it was done, if it was in one."""

    to: str
    token: str
    until_ms: int
    back: str = ""


def way_back(offer: Offer | None, connection: str, queue: str, job_id: str = "", back: str = "") -> WayBack | None:
    """`job_id` empty: what was done belongs to the queue."""
    if offer is None:
        return None
    to = links.job_url(connection, queue, job_id, action="undo") if job_id else ""
    to = to or links.queue_url(connection, queue, action="undo")
    return WayBack(to, offer.token, offer.until_ms, back)


def tags(kind: str, way: WayBack | None) -> str:
    """For a message that is read on the next page."""
    if way is None:
        return kind
    told = {"to": way.to, "token": way.token, "until": way.until_ms, "back": way.back}
    return f"{kind}{_JOINT}{urlencode(told)}"


def from_tags(told: str) -> tuple[str, WayBack | None]:
    """The kind and the way back; what is odd has none."""
    kind, _, packed = told.partition(_JOINT)
    found: Mapping[str, str] = dict(parse_qsl(packed.partition(" ")[0], keep_blank_values=True))
    try:
        way = WayBack(found["to"], found["token"], int(found["until"]), found.get("back", ""))
    except (KeyError, ValueError):
        return kind.partition(" ")[0], None
    return kind.partition(" ")[0], way


async def lead_back(request: Request, grants: Grants, connection: str, queue: str, job_id: str = "") -> HttpResponse:
    """Undo what the form's token stands for, then show where it was done. Raises Forbidden, InvalidInput."""
    back = request.POST.get("back", "")[:4_000]
    here = Listing.read(QueryDict(back), Queue(connection=connection, name=queue)).url(
        Queue(connection=connection, name=queue)
    )
    if job_id and not back:
        here = links.job_url(connection, queue, job_id)
    try:
        act = await undo.find(connection, queue, job_id, request.POST.get("token", ""))
        grants.require(act.action)
        done = await undo.undo(grants.actor, act)
    except (NotFound, Refused) as error:
        return go(request, here, str(error), "bad")
    await refresh(connection, [queue])
    return go(request, here, done.message)
