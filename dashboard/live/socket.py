"""The socket for programs: `/api/ws`. What is said there is read by `commands`, what is told is made by `notice`."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qs

from autobahn.exception import Disconnected
from django.http import parse_cookie

from dashboard.credentials.identifying import identify
from dashboard.credentials.identity import Identity
from dashboard.live.codes import Close
from dashboard.live.commands import Commands
from dashboard.live.hub import hub
from dashboard.live.listener import Listener
from dashboard.sign_in.proxies import place_of
from queues.errors import TooManyRequests, Unauthorized
from queues.options import get_options

log = logging.getLogger(__name__)

#: A closing handshake may take so long.
CLOSING_S = 3.0


async def socket(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application; `dashboard.socket_door` stands before it."""
    if (await receive())["type"] != "websocket.connect":
        return
    query = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
    connection = query.get("connection", ["default"])[0]
    found = await _who(scope, query.get("token", [""])[0])
    # Accepted in any case: a browser is told the code only of a socket that was open. And not before: what is sent to
    # an open socket waits in memory, without end.
    await send({"type": "websocket.accept"})
    if isinstance(found, Identity):
        found = _refusal(found, connection) or found
    if isinstance(found, Close):
        await send({"type": "websocket.close", "code": int(found)})
        return
    await _Socket(Listener(found, connection, send), receive, send).serve()


async def _who(scope: Any, token: str) -> Identity | Close:
    headers: dict[str, str] = scope["toril_headers"]
    place = place_of((scope.get("client") or ("",))[0], headers.get("x-forwarded-for", ""))
    try:
        return await identify(headers, parse_cookie(headers.get("cookie", "")), token=token, place=place)
    except Unauthorized:
        return Close.SIGNED_OUT
    except TooManyRequests:
        return Close.LATER
    except Exception:
        log.exception("who wants to listen could not be asked")
        return Close.LATER


def _refusal(identity: Identity, connection: str) -> Close | None:
    if not identity.grants.may_see:
        return Close.FORBIDDEN
    if connection not in get_options().connections:
        return Close.UNKNOWN
    return None if hub().has_room(identity) else Close.LATER


class _Socket:
    def __init__(self, listener: Listener, receive: Any, send: Any) -> None:
        self._listener, self._receive, self._send = listener, receive, send
        self._cutting: asyncio.TimerHandle | None = None
        listener.on_dismiss = self._dismissed
        self._task = asyncio.current_task()

    async def serve(self) -> None:
        commands = Commands(self._listener, hub().join(self._listener))
        sender = asyncio.create_task(self._send_all(), name="listener")
        try:
            while (said := await self._receive())["type"] != "websocket.disconnect":
                if self._listener.closing is None:
                    await commands.hear(said.get("text") or "")
        finally:
            # Also where the server ends us without a word, as daphne does when it stops.
            hub().leave(self._listener)
            if self._cutting is not None:
                self._cutting.cancel()
            sender.cancel()
            await asyncio.wait({sender})

    def _dismissed(self) -> None:
        hub().leave(self._listener)
        # A client that does not read does not answer a closing handshake either.
        self._cutting = asyncio.get_running_loop().call_later(CLOSING_S, self._cut)

    def _cut(self) -> None:
        if self._listener.line.is_known:
            self._listener.line.abort()
        elif self._task is not None:
            self._task.cancel()

    async def _send_all(self) -> None:
        try:
            while (told := await self._listener.next()) is not None:
                await self._send({"type": "websocket.send", "text": told.text})
        except Disconnected:
            # Its client went while this was under way; the word of that follows.
            self._listener.dismiss(Close.LATER)
        except Exception:
            log.exception("a listener could not be told")
            self._listener.dismiss(Close.LATER)
        await self._send({"type": "websocket.close", "code": int(self._listener.closing or Close.LATER)})
