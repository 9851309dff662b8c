"""The list of schedulers: what was asked of it, in the address; the rows that fit, in order, a page of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.request import Request
from queues.lookups.scheduler import Scheduler, Standing
from queues.lookups.schedulers import SchedulerList, scheduler_list
from queues.lookups.snapshot import Snapshot
from queues.lookups.turns import with_last_runs
from queues.models import KeptScheduler

PER_PAGE = 50
_FAR = float("inf")
SORTS: dict[str, Callable[[Scheduler], Any]] = {
    "next": lambda one: (one.next_ms or _FAR, one.queue, one.id),
    "name": lambda one: (one.id.casefold(), one.queue),
    "queue": lambda one: (one.queue.casefold(), one.id),
}
#: What wants looking at stands first where nothing else was asked.
_TROUBLED = (Standing.STUCK, Standing.RETURNED, Standing.LATE)


@dataclass(frozen=True, slots=True)
class Asked:
    """The list's query string, read; what cannot be understood narrows nothing."""

    queue: str = ""
    find: str = ""
    standing: str = ""
    sort: str = "next"
    page: int = 1

    @classmethod
    def of(cls, query: QueryDict) -> Asked:
        standing, sort, page = query.get("state", ""), query.get("sort", ""), query.get("page", "")
        return cls(
            # Bull Board's name of it, too.
            queue=query.get("queue") or query.get("queueName") or "",
            find=query.get("find", "").strip()[:200],
            standing=standing if standing in set(Standing) | {"trouble"} else "",
            sort=sort if sort in SORTS else "next",
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 else 1,
        )

    @property
    def query(self) -> dict[str, object]:
        told = {"queue": self.queue, "find": self.find, "state": self.standing, "sort": self.sort, "page": self.page}
        plain = {"sort": "next", "page": 1}
        return {name: value for name, value in told.items() if value and value != plain.get(name)}

    @property
    def back(self) -> str:
        return urlencode(self.query)

    def url(self, connection: str, **more: object) -> str:
        return links.schedulers_url(connection, **(self.query | {"page": None} | more))

    def fits(self, one: Scheduler) -> bool:
        if self.queue and one.queue != self.queue:
            return False
        if self.standing and one.standing not in (_TROUBLED if self.standing == "trouble" else (self.standing,)):
            return False
        wanted = self.find.casefold()
        return any(wanted in text.casefold() for text in (one.id, one.schedule.name, one.queue, one.schedule.pattern))


@dataclass(frozen=True, slots=True)
class Tab:
    """A state with how many are in it."""

    label: str
    count: int
    url: str
    is_here: bool


async def shown(request: Request, connection: str, seen: Snapshot, asked: Asked) -> dict[str, Any]:
    """Everything scheduler/list.html draws. Raises RedisUnavailable."""
    names = [queue.name for queue in seen.queues]
    found = await scheduler_list(connection, names)
    ordered = sorted(found.schedulers, key=SORTS[asked.sort])
    if asked.sort == "next" and not asked.standing:
        ordered.sort(key=lambda one: one.standing not in _TROUBLED)
    fitting = [one for one in ordered if asked.fits(one)]
    pages = max(1, -(-len(fitting) // PER_PAGE))
    page = min(asked.page, pages)
    rows = fitting[(page - 1) * PER_PAGE : page * PER_PAGE]
    await with_last_runs(rows)
    grants = request.grants
    return {
        "asked": asked,
        "list": found,
        "rows": [(one, grants.on(one.queue)) for one in rows],
        "fitting": len(fitting),
        "pager": {"page": page, "pages": pages, "urls": _pager(asked, connection, page, pages)},
        "state_tabs": _tabs(found, asked, connection),
        "removed": [row for row in found.removed if _is_offered(row, request, asked)],
        "back": asked.back,
        "may_add": any(grants.on(name).may("scheduler.add") for name in names),
        "paused_queues": {queue.name for queue in seen.queues if queue.is_paused},
        "idle_queues": {queue.name for queue in seen.queues if queue.workers == 0},
    }


def _is_offered(row: KeptScheduler, request: Request, asked: Asked) -> bool:
    return request.grants.on(row.queue).may("scheduler.resume") and asked.queue in ("", row.queue)


def _tabs(found: SchedulerList, asked: Asked, connection: str) -> list[Tab]:
    here = [one for one in found.schedulers if not asked.queue or one.queue == asked.queue]
    trouble = sum(one.standing in _TROUBLED for one in here)
    paused = sum(one.standing is Standing.PAUSED for one in here)
    counted = (("", _("All"), len(here)), ("trouble", _("In trouble"), trouble), ("paused", _("Paused"), paused))
    return [
        Tab(label, count, asked.url(connection, state=state or None), asked.standing == state)
        for state, label, count in counted
        if count or not state or asked.standing == state
    ]


def _pager(asked: Asked, connection: str, page: int, pages: int) -> dict[str, str]:
    wanted = {"previous": page - 1, "next": page + 1}
    return {name: asked.url(connection, page=at) for name, at in wanted.items() if 1 <= at <= pages}
