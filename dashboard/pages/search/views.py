"""The searches that people keep under a name: their own, and those that others share with all."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboard import links
from dashboard.grants import Grants
from dashboard.models import SavedView
from dashboard.moments import now_ms
from dashboard.request import Request
from dashboard.seeing import hidden_names
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import InvalidInput, NotFound
from queues.lookups import search

LONGEST_NAME, MOST_OWN, MOST_SHOWN = 80, 100, 200
_NAMES_QUEUES = re.compile(r'queue:((?:"[^"]*"|[^\s"])+)', re.IGNORECASE)
_NAME = re.compile(r'"[^"]*"|[^",]+')


@dataclass(frozen=True, slots=True)
class View:
    """`owner` is empty for one's own."""

    pk: int
    name: str
    query: str
    url: str
    is_shared: bool
    owner: str
    may_forget: bool


async def views_of(request: Request, connection: str) -> list[View]:
    """One's own, then those that others share, by name. Of what others share, nothing that names a queue which this
    person does not see.
    """
    me, hidden = request.grants.actor.user_id, await hidden_names(request.grants)
    rows = SavedView.objects.select_related("owner").order_by("name", "pk")
    own = [row async for row in rows.filter(owner_id=me)[:MOST_OWN]]
    shared = [row async for row in rows.filter(is_shared=True).exclude(owner_id=me)[:MOST_SHOWN]]
    return [
        _view(row, connection, me, may_forget=row.owner_id == me or request.user.is_superuser)
        for row in [*own, *_without([row for row in shared if _names_seen(row, request.grants)], hidden)]
    ]


def _view(row: SavedView, connection: str, me: int | None, *, may_forget: bool) -> View:
    owner = "" if row.owner_id == me else row.owner.get_username()
    url = links.search_url(connection, q=row.query)
    return View(row.pk, row.name, row.query, url, row.is_shared, owner, may_forget)


def _names_seen(row: SavedView, grants: Grants) -> bool:
    """Whether each queue that it asks for would be seen, were there one of the name."""
    named = (name for names in _NAMES_QUEUES.findall(row.query) for name in _NAME.findall(names))
    return grants.sees_all or all(grants.sees(name.strip('"')) for name in named)


def _without(rows: Sequence[SavedView], hidden: Collection[str]) -> list[SavedView]:
    """Those in which none of these names stands, however it is written, quoted or joined with others."""
    told = {row.pk: f"{row.name}\n{row.query}".replace("\\", "").casefold() for row in rows}
    every = "\n".join(told.values())
    # Of thousands of names few are in any: only these are looked for in each.
    named = [re.escape(name) for name in {name.replace("\\", "").casefold() for name in hidden} if name in every]
    tells = re.compile(rf"(?<!\w)(?:{'|'.join(named)})(?!\w)") if named else None
    return [row for row in rows if tells is None or not tells.search(told[row.pk])]


async def save(request: Request, name: str, query: str, *, is_shared: bool) -> Done:
    """Kept under this name, in place of what had it. Raises InvalidInput, Forbidden."""
    request.grants.anywhere.require("search.save")
    name, actor = name.strip(), request.grants.actor
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(_("A view's name is 1 to %(most)s printable characters.") % {"most": LONGEST_NAME})
    search.parse(query, now_ms())
    kept = {"query": query, "is_shared": is_shared}

    async def act() -> Done:
        mine = SavedView.objects.filter(owner_id=actor.user_id)
        if not await mine.filter(name=name).aexists() and await mine.acount() >= MOST_OWN:
            raise InvalidInput(_("You keep %(most)s views: remove one first.") % {"most": MOST_OWN})
        await SavedView.objects.aupdate_or_create(owner_id=actor.user_id, name=name, defaults=kept)
        return Done(_("Kept as “%(name)s”.") % {"name": name}, affected=0)

    return await record(Deed(actor, "search.save", "", "", parameters={"name": name, **kept}), act, of_done)


async def forget(request: Request, key: str) -> Done:
    """Raises NotFound where this person keeps no such view."""
    request.grants.anywhere.require("search.forget")
    actor = request.grants.actor
    rows = SavedView.objects.all() if request.user.is_superuser else SavedView.objects.filter(owner_id=actor.user_id)
    row = await rows.filter(pk=int(key)).afirst() if key.isascii() and key.isdecimal() and len(key) < 16 else None
    if row is None:
        raise NotFound(_("You keep no such view."))

    async def act() -> Done:
        await row.adelete()
        return Done(_("“%(name)s” is removed from the views.") % {"name": row.name}, affected=0)

    told = {"name": row.name, "query": row.query}
    return await record(Deed(actor, "search.forget", "", "", parameters=told), act, of_done)
