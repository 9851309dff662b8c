"""Who did what, to which queue or job, and how it ended: filtered by the address, paged by a cursor, exported."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.http import HttpResponseBase, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard import links
from dashboard.drawing import render
from dashboard.pages.audit import lines
from dashboard.pages.shell import exports
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.request import Request
from dashboard.visibility import rows_for
from queues.abilities import ACTIONS
from queues.lookups.audit_rows import Wanted, all_audit_rows, audit_rows
from queues.models import Outcome
from queues.models.local import is_in_process
from queues.options.values import LOCAL_CONNECTION

PER_PAGE = 50
WITHIN = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
OUTCOMES = {"done": Outcome.DONE, "refused": Outcome.REFUSED, "failed": Outcome.FAILED, "unknown": Outcome.OPENED}
LONGEST = 512


@dataclass(frozen=True, slots=True)
class Asked:
    """The address ⇄ what is wanted; bad input narrows nothing and is named."""

    wanted: Wanted
    query: dict[str, str]
    before: int | None = None
    complaints: tuple[str, ...] = ()

    @classmethod
    def read(cls, query: QueryDict) -> Asked:
        names = ("actor", "action", "queue", "job", "outcome", "within", "since", "until", "q")
        given = {name: query.get(name, "").strip()[:LONGEST].replace("\0", "") for name in names}
        given = {name: value for name, value in given.items() if value}
        complaints: list[str] = []
        outcome = given.get("outcome", "")
        if outcome and outcome not in OUTCOMES:
            complaints.append(_("There is no outcome “%(outcome)s”.") % {"outcome": given.pop("outcome")[:60]})
        since = _moment(given, "since", complaints)
        if within := WITHIN.get(given.get("within", "")):
            since = max(filter(None, (since, timezone.now() - within)))
        wanted = Wanted(
            actor=given.get("actor", ""),
            action=given.get("action", ""),
            queue=given.get("queue", ""),
            job_id=given.get("job", ""),
            outcome=OUTCOMES.get(outcome),
            since=since,
            until=_moment(given, "until", complaints),
            text=given.get("q", ""),
        )
        before = query.get("before", "")
        is_key = before.isascii() and before.isdecimal() and len(before) < 16
        return cls(wanted, given, int(before) if is_key else None, tuple(complaints))

    def url(self, connection: str, **more: object) -> str:
        return links.audit_page_url(connection, **self.query, **more)


def _moment(given: dict[str, str], name: str, complaints: list[str]) -> datetime | None:
    """A date, or a moment; in UTC where it says no other zone."""
    if not (told := given.get(name, "")):
        return None
    with suppress(ValueError, OverflowError):
        if found := parse_datetime(told):
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        if day := parse_date(told):
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
    del given[name]
    complaints.append(_("“%(told)s” is no date; write 2026-11-23 or 2026-11-23T14:00.") % {"told": told[:60]})
    return None


@require_safe
async def audit_page(request: Request) -> HttpResponseBase:
    connection, asked = known_connection(request), Asked.read(request.GET)
    if not request.grants.anywhere.may("audit.view"):
        request.grants.require("audit.view")
    seen = _seen(request, connection)
    if (form := request.GET.get("format", "")) in exports.FORMATS:
        return exports.attached(_pieces(request, asked, seen, form), "audit", form, request.grants.actor.user_id)
    entries = await audit_rows(asked.wanted, seen, asked.before, PER_PAGE + 1)
    shown = entries[:PER_PAGE]
    context = {
        "section": "audit",
        "asked": asked,
        "lines": [lines.line(entry, request.grants) for entry in shown],
        "older": asked.url(connection, before=shown[-1].pk) if len(entries) > PER_PAGE else "",
        "newest": asked.url(connection) if asked.before else "",
        "exports": [(name, asked.url(connection, format=name)) for name in exports.FORMATS],
        "everything": links.audit_page_url(connection),
        "actions": sorted(action for action in ACTIONS if not action.endswith(".view")),
        "outcomes": _outcomes(),
        "spans": _spans(),
    }
    return render(request, "audit/page.html", frame(await around_of(request, connection), **context))


def _seen(request: Request, connection: str) -> Q:
    """This connection's rows and those of the whole site, of what this person may see."""
    here = LOCAL_CONNECTION if is_in_process() else connection
    names = {here, ""} if connection != links.DEFAULT_CONNECTION else {here, links.DEFAULT_CONNECTION, ""}
    return rows_for(request.grants, "audit.view") & Q(connection__in=names)


def _outcomes() -> list[tuple[str, str]]:
    return [("done", _("done")), ("refused", _("refused")), ("failed", _("failed")), ("unknown", _("outcome unknown"))]


def _spans() -> list[tuple[str, str]]:
    return [("1h", _("last hour")), ("24h", _("last 24 hours")), ("7d", _("last 7 days")), ("30d", _("last 30 days"))]


async def _pieces(request: Request, asked: Asked, seen: Q, form: str) -> AsyncGenerator[bytes, None]:
    yield exports.head(lines.COLUMNS, form)
    async for entries in all_audit_rows(asked.wanted, seen):
        told = [lines.values(entry, request.grants) for entry in entries]
        yield exports.written(told, lines.COLUMNS, form)
