"""What may be meant by what was typed into the box so far: views, queues, the job of an id, and terms to go on with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from django.db import DatabaseError
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.pages.search.views import View, views_of
from dashboard.pages.search.words import FIELDS, KINDS
from dashboard.pages.shell.frame import visible
from dashboard.pages.shell.jump import score
from dashboard.request import Request
from dashboard.seeing import seen_by
from queues.errors import TorilError
from queues.lookups import search
from queues.lookups.anywhere import queues_holding
from queues.lookups.crowd import few
from queues.lookups.snapshot import Snapshot, snapshot

MOST_VIEWS, MOST_QUEUES, MOST_JOBS, MOST_TERMS = 5, 5, 3, 10


@dataclass(frozen=True, slots=True)
class Meant:
    """A place to go to (`url`), or what the box holds when it is chosen (`fill`)."""

    kind: str
    label: str
    note: str = ""
    url: str = ""
    fill: str = ""


async def suggestions(request: Request, connection: str, typed: str) -> list[Meant]:
    """Places first, where a single word is typed; then terms for the last word. Nothing here fails for an outage."""
    places = await _places(request, connection, typed.strip()) if " " not in typed.strip() else []
    with suppress(TorilError, DatabaseError):
        async with few(request.grants.actor.user_id, "suggest"):
            found = await search.suggest(typed, await seen_by(request.grants))
        return [*places, *(_term(one) for one in found[:MOST_TERMS])]
    return places


def _term(one: search.Suggestion) -> Meant:
    kind = str(KINDS.get(one.kind, one.kind))
    if one.kind == "field":
        return Meant(kind, one.label, str(FIELDS.get(one.label.rstrip(":"), "")), fill=one.text)
    return Meant(kind, one.label if one.kind == "path" else f"{one.kind}:{one.label}", fill=one.text)


async def _places(request: Request, connection: str, word: str) -> list[Meant]:
    views = [_view(view) for view in await views_of(request, connection) if score(word, view.name) > 0]
    if not word or ":" in word:
        return views[:MOST_VIEWS]
    try:
        found = visible(request, await snapshot(connection))
    except TorilError:
        return views[:MOST_VIEWS]
    return [*_queues(found, word), *await _jobs(found, word), *views[:MOST_VIEWS]]


def _view(view: View) -> Meant:
    return Meant(_("view"), view.name, view.query, url=view.url)


def _queues(found: Snapshot, word: str) -> list[Meant]:
    scored = sorted(
        ((score(word, queue.name), queue.name) for queue in found.queues), key=lambda one: (-one[0], one[1])
    )
    best = [name for points, name in scored if points > 10][:MOST_QUEUES]
    return [Meant(_("go to"), name, _("queue"), url=links.queue_url(found.connection, name)) for name in best]


async def _jobs(found: Snapshot, word: str) -> list[Meant]:
    held = await queues_holding(found.connection, [queue.name for queue in found.queues], word)
    return [
        Meant(
            _("go to"), word, _("job in %(queue)s") % {"queue": name}, url=links.job_url(found.connection, name, word)
        )
        for name in held[:MOST_JOBS]
    ]
