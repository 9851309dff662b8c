"""The routes of this API: what each method does, who asks, how it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from dashboard.api.board.refusals import Said
from dashboard.api.board.tags import answer
from dashboard.api.seen import queue_seen, queues_seen
from dashboard.grants import Grants
from dashboard.links import BASE
from dashboard.pages.shell.frame import known_connection
from dashboard.request import Request
from queues.actions.actor import Actor
from queues.errors import JobNotFound, QueueNotFound, ReadOnly
from queues.lookups.snapshot import Snapshot, refresh
from queues.models import Queue

ROOT = f"/{BASE}/api/"


@dataclass(frozen=True, slots=True)
class Call:
    """A request, on the connection that it names."""

    request: Request
    connection: str

    @property
    def grants(self) -> Grants:
        return self.request.grants

    @property
    def actor(self) -> Actor:
        return self.request.grants.actor

    async def around(self) -> Snapshot:
        """The queues that the caller sees. Raises RedisUnavailable."""
        return await queues_seen(self.request, self.connection)

    async def queue(self, name: str) -> Queue:
        """One of them. Raises QueueNotFound, RedisUnavailable."""
        return await queue_seen(self.request, self.connection, name)

    def at(self, queue: str) -> tuple[Actor, str, str]:
        """What every action on a queue begins with."""
        return self.actor, self.connection, queue


#: Answers a value to be written as JSON, None (done, and nothing to say: 204), or a response.
Handler = Callable[..., Awaitable[Any]]


class Routes:
    """Several addresses may fit one path, for a job may be called as a word is: the first that knows the method."""

    def __init__(self) -> None:
        self.patterns: list[URLPattern] = []
        self._methods: list[Mapping[str, Handler]] = []

    def add(self, address: str, **methods: Handler) -> None:
        """`add("redis/stats", GET=stats)`; the names in the address are the handler's, after the call."""
        at = len(self.patterns)

        async def view(request: Request, **names: str) -> HttpResponse:
            return await _handled(request, *self._found(request, at))

        # Without the colons of its names: Django would take them for a namespace, and warn.
        self.patterns.append(path(address, view, name=f"board-{address.replace(':', '-')}"))
        self._methods.append(methods)

    def methods_of(self, pattern: URLPattern) -> tuple[str, ...]:
        return tuple(self._methods[self.patterns.index(pattern)])

    def _found(self, request: Request, first: int) -> tuple[Handler, dict[str, Any]]:
        """The handler, and the names in the path. Raises Said."""
        asked = "GET" if request.method == "HEAD" else request.method or ""
        allowed: set[str] = set()
        for pattern, methods in zip(self.patterns[first:], self._methods[first:], strict=True):
            match = pattern.pattern.match(request.path_info.removeprefix(ROOT))
            if match is None:
                continue
            if asked in methods:
                return methods[asked], match[2]
            allowed.update(methods)
        if not allowed:
            raise Said(404, "NOT_FOUND", _("There is nothing at this address."))
        told = ", ".join(sorted(allowed))
        raise Said(405, "METHOD_NOT_ALLOWED", _("This address takes %(methods)s.") % {"methods": told})


async def _handled(request: Request, handler: Handler, names: dict[str, Any]) -> HttpResponse:
    call = Call(request, known_connection(request))
    try:
        told = await handler(call, **names)
    except ReadOnly as error:
        raise Said(405, "QUEUE_READ_ONLY", str(error)) from None
    except JobNotFound:
        await _require_queue(call, names["queue"])
        raise
    if told is None:
        return HttpResponse(status=204)
    return told if isinstance(told, HttpResponse) else answer(request, told)


async def _require_queue(call: Call, queue: str) -> None:
    if (await refresh(call.connection, [queue])).queue(queue) is None:
        raise QueueNotFound(queue)
