"""How a job ended, for whoever waits for it: asked once, then heard of on the event stream, and asked again sometimes.

One reader per event loop and connection listens for everybody, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from queues.errors import JobNotFound, RedisRefused, RedisUnavailable
from queues.protocol import codec
from queues.protocol.commands import Command, call_script, command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.events import Event, entry_event, now_command, read_events
from queues.protocol.wire import Wire

#: As long as a reading waits for news.
BLOCK_MS = 1_000
#: A stream is trimmed, and a connection breaks: so often each job is asked for all the same.
ASK_S = 5.0
MOST_EVENTS = 500
#: So many events back it is looked for a job that is gone already.
LOOK_BACK = 5_000
PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one job: `value` is its result as JSON where it completed, else `reason` says why it failed."""

    is_failed: bool
    value: str = "null"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Children:
    """What became of a job's children, by `(queue, job id)`: `values` are JSON, `ignored` the reasons of failures that
    the job does not mind; `failed` and `pending` count the others.
    """

    values: dict[tuple[str, str], str]
    ignored: dict[tuple[str, str], str]
    failed: int = 0
    pending: int = 0


async def ending(connection: str, queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
    """Wait for the job's end; None where `timeout_s` passed. Raises JobNotFound, RedisUnavailable at the first look.

    A job that is gone is looked for in the newest events, since one may be removed as soon as it ends.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return await _ending_blocking(connection, queue, job_id, timeout_s)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s), _listening(connection, queue, job_id) as heard:
            found = await _asked(connection, queue, job_id)
            while found is None:
                await asyncio.wait([heard], timeout=ASK_S)
                if heard.done():
                    return heard.result()
                with contextlib.suppress(RedisUnavailable):
                    found = await _asked(connection, queue, job_id)
            return found
    return None


async def _asked(connection: str, queue: str, job_id: str) -> Ending | None:
    found = await wire(connection).call(_is_finished(connection, queue, job_id))
    if found is not GONE:
        return found
    if (told := await _look_back(connection, queue, job_id)) is None:
        raise JobNotFound(queue, job_id)
    return told


GONE = Ending(True, reason="it is gone")


def _is_finished(connection: str, queue: str, job_id: str) -> Command[Ending | None]:
    k = keys(connection, queue)

    def read(reply: Any) -> Ending | None:
        status, *rest = reply
        said = codec.text(rest[0]) if rest and rest[0] is not None else ""
        if status == 1:
            return Ending(False, said or "null")
        if status == 2:
            return Ending(True, reason=said)
        return None if status == 0 else GONE

    given = (k("completed"), k("failed"), k.job(job_id))
    return call_script("isFinished", given, (codec.raw(job_id), "1"), read)


def _told(event: Event, job_id: str) -> Ending | None:
    if event.job_id != job_id or event.type not in ("completed", "failed"):
        return None
    if event.type == "failed":
        return Ending(True, reason=codec.text(event.fields.get(b"failedReason", b"")))
    return Ending(False, codec.text(event.fields.get(b"returnvalue", b"null")))


async def _look_back(connection: str, queue: str, job_id: str) -> Ending | None:
    on, stream = wire(connection), keys(connection, queue)("events")
    until = b"+"
    for _ in range(LOOK_BACK // MOST_EVENTS):
        entries = await on.call(command("XREVRANGE", stream, until, "-", "COUNT", MOST_EVENTS))
        for entry_id, flat in entries:
            if (found := _told(entry_event(queue, entry_id, flat), job_id)) is not None:
                return found
        if len(entries) < MOST_EVENTS:
            return None
        until = b"(" + entries[-1][0]
    return None


async def _ending_blocking(connection: str, queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
    """The same without an event loop: the thread itself waits on the stream."""
    on: Any = wire(connection)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    cursor = await on.call(now_command())
    asked_at = 0.0
    while True:
        if time.monotonic() - asked_at > ASK_S:
            if (found := await _asked(connection, queue, job_id)) is not None:
                return found
            asked_at = time.monotonic()
        left_ms = BLOCK_MS if deadline is None else min(BLOCK_MS, int((deadline - time.monotonic()) * 1000))
        if left_ms <= 0:
            return None
        try:
            events = await read_events(on, prefix(connection), {queue: cursor}, MOST_EVENTS, left_ms)
        except RedisUnavailable:
            time.sleep(min(PAUSE_S, left_ms / 1000))  # noqa: ASYNC251  # there is no loop
            continue
        for event in events:
            cursor = event.id
            if (found := _told(event, job_id)) is not None:
                return found


# --- the shared reader


class _Reader:
    """Hears for everybody on one loop and connection what ends in the queues that somebody waits for."""

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self._waiting: dict[str, dict[str, set[asyncio.Future[Ending]]]] = {}
        self._cursors: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._client_id = 0

    async def add(self, queue: str, job_id: str, heard: asyncio.Future[Ending]) -> None:
        """From before this returns, an end of the job is heard."""
        if queue not in self._cursors:
            cursor = await wire(self.connection).call(now_command())
            if queue not in self._cursors:
                self._cursors[queue] = cursor
                self._stir()
        self._waiting.setdefault(queue, {}).setdefault(job_id, set()).add(heard)
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="job results")

    def drop(self, queue: str, job_id: str, heard: asyncio.Future[Ending]) -> None:
        waiting = self._waiting.get(queue, {})
        waiting.get(job_id, set()).discard(heard)
        if not waiting.get(job_id):
            waiting.pop(job_id, None)
        if not waiting:
            self._waiting.pop(queue, None)
            self._cursors.pop(queue, None)
        if not self._waiting:
            self._stir()

    def _stir(self) -> None:
        """End the reading under way: it does not know of the newest queue, or nobody wants it any more, and so ends the
        task too.
        """
        if self._client_id:
            stirred = wire(self.connection).submit(command("CLIENT", "UNBLOCK", self._client_id))
            # Where it is not allowed, the reading ends by itself within a second.
            stirred.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _listen(self) -> None:
        ear = wire(self.connection, purpose="results")
        try:
            while self._waiting:
                try:
                    self._hear(await self._read(ear))
                except (RedisUnavailable, RedisRefused):
                    # Who waits asks by itself every few seconds.
                    await asyncio.sleep(PAUSE_S)
        finally:
            if self._task is asyncio.current_task():
                # A task holds its loop, and this reader is held for as long as the loop lives.
                self._task, self._client_id = None, 0

    async def _read(self, ear: Wire) -> list[Event]:
        # In one write with the reading, whose connection it names.
        known = ear.submit(command("CLIENT", "ID"))
        known.add_done_callback(self._note)
        queues = {queue: cursor for queue, cursor in self._cursors.items() if queue in self._waiting}
        return await read_events(ear, prefix(self.connection), queues, MOST_EVENTS, BLOCK_MS)

    def _note(self, known: asyncio.Future[Any]) -> None:
        if not known.cancelled() and known.exception() is None:
            self._client_id = known.result()

    def _hear(self, events: list[Event]) -> None:
        for event in events:
            if event.queue in self._cursors:
                self._cursors[event.queue] = event.id
            for heard in self._waiting.get(event.queue, {}).get(event.job_id, ()):
                if not heard.done() and (found := _told(event, event.job_id)) is not None:
                    heard.set_result(found)


_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Reader]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def _listening(connection: str, queue: str, job_id: str) -> AsyncIterator[asyncio.Future[Ending]]:
    loop = asyncio.get_running_loop()
    reader = _readers.setdefault(loop, {}).setdefault(connection, _Reader(connection))
    heard: asyncio.Future[Ending] = loop.create_future()
    try:
        await reader.add(queue, job_id, heard)
        yield heard
    finally:
        reader.drop(queue, job_id, heard)
