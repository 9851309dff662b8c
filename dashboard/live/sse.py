"""Events for programs as Server-Sent Events: `GET /api/events?queue=…`, by token, key or session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _

from dashboard.api.methods import takes
from dashboard.live.codes import Close
from dashboard.live.commands import subscribe
from dashboard.live.hub import hub
from dashboard.live.listener import Listener
from dashboard.pages.shell.frame import known_connection
from dashboard.request import Request
from dashboard.socket_door import is_own_page
from queues.errors import Forbidden, TorilError
from queues.options import get_options

#: After which time a browser that was cut off asks anew.
RETRY_MS = 2_000
TYPE = "text/event-stream"
_NOT_CONDITIONS = frozenset({"connection", "token"})


class NoRoom(TorilError):
    """There are too many listeners already: of this caller, or of all."""

    code = "no_room"
    status = 503


@takes("GET")
async def events(request: Request) -> HttpResponseBase:
    """A stream without end; a reader that comes back with `Last-Event-ID` misses nothing that is left."""
    headers = {"X-Accel-Buffering": "no", **_shared(request)}
    connection, identity = known_connection(request), request.identity
    if request.method == "HEAD":
        return HttpResponse(content_type=TYPE, headers=headers)
    if not hub().has_room(identity):
        raise NoRoom(_("Too many listen already; end some streams, or come back later."))
    listener = Listener(identity, connection, getattr(request, "scope", {}).get("toril_send"))
    listener.on_dismiss = lambda: hub().leave(listener)
    stream = _stream(listener, _conditions(request))
    # Begun here, so that what is wrong with the conditions is told by a status; and so that its end is noticed even
    # where nobody reads it.
    first = await anext(stream)
    await _let_go()
    return StreamingHttpResponse(_from(first, stream), content_type=TYPE, headers=headers)


def _conditions(request: Request) -> dict[str, Any]:
    asked: dict[str, Any] = {name: value for name, value in request.GET.items() if name not in _NOT_CONDITIONS}
    if "events" in asked:
        asked["events"] = asked["events"].split(",")
    if since := request.headers.get("Last-Event-ID", ""):
        asked["since"] = since
    return asked if asked.keys() - {"since", "events", "all"} else {**asked, "all": True}


def _shared(request: Request) -> dict[str, str]:
    """For pages of another site, where it is named. Raises Forbidden for any other."""
    origin = request.headers.get("Origin", "")
    if not origin or is_own_page(request.get_host(), origin):
        return {}
    if origin.lower() not in get_options().live.origins:
        raise Forbidden(_("Pages of this site may not listen here (LIVE, ORIGINS)."))
    return {"Access-Control-Allow-Origin": origin, "Cross-Origin-Resource-Policy": "cross-origin", "Vary": "Origin"}


async def _stream(listener: Listener, conditions: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    follower = hub().join(listener)
    try:
        await subscribe(listener, follower, conditions)
        yield f"retry: {RETRY_MS}\n\n".encode()
        while (told := await listener.next()) is not None:
            yield told.frame
    finally:
        hub().leave(listener)
        if listener.closing is Close.NOT_READING and listener.line.is_known:
            # What waits at the server for it would wait for ever.
            listener.line.abort()


async def _from(first: bytes, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream):
        yield first
        async for frame in stream:
            yield frame


async def _let_go() -> None:
    """Give back what a request holds to its end, which may be tomorrow: a database connection, and a thread."""
    await sync_to_async(connections.close_all)()
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context is not None else None
    if executor is not None:
        executor.shutdown(wait=False)
