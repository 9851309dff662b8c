"""`tail`: the events of queues as they come."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress

from queues.actions.revealing import reveal_data
from queues.console.exits import Exit
from queues.console.screen import cut, moment, printable
from queues.console.session import Session
from queues.lookups.following import Follower, Gap
from queues.masking import mask_json, mask_text
from queues.protocol import codec
from queues.protocol.events import Event

LONGEST = 160
#: What people see of an event, in this order; programs see every field.
_TOLD = (b"prev", b"failedReason", b"returnvalue", b"data", b"delay", b"name", b"count")
#: What BullMQ writes itself.
_NO_PAYLOAD = frozenset({b"event", b"jobId", b"prev", b"delay", b"count", b"name"})
Read = Callable[[bytes, bytes], str]
_HOW = {b"prev": "from {}", b"delay": "due {}", b"count": "{} jobs"}


def tail(session: Session, options: Namespace) -> Exit:
    """Follow queues' events until Ctrl-C, or --count of them; lost ones are announced, secrets masked."""
    with suppress(KeyboardInterrupt):
        session.run(_follow(session, options))
    return Exit.DONE


async def _follow(session: Session, options: Namespace) -> None:
    if options.reveal:
        for queue in options.queues:
            await reveal_data(session.actor, session.connection, queue, "", "queues tail")
    shown = _as_stored if options.reveal else _masked
    follower = await Follower.of(session.connection, options.queues, from_start=options.from_start)
    session.screen.note(f"Following {', '.join(follower.queues)}; Ctrl-C ends it.")
    left = options.count or sys.maxsize
    try:
        while left > 0:
            left -= _tell(session, await follower.read(), options.type, left, shown)
            # A flood of events must not make Ctrl-C wait.
            await asyncio.sleep(0)
    finally:
        await follower.close()


def _tell(session: Session, found: Sequence[Event | Gap], types: Sequence[str], most: int, read: Read) -> int:
    """How many events were shown."""
    shown = 0
    for one in found:
        if isinstance(one, Gap):
            _gap(session, one)
        elif shown < most and (not types or one.type in types):
            _event(session, one, {name: read(name, value) for name, value in one.fields.items()})
            shown += 1
    return shown


def _event(session: Session, event: Event, read: dict[bytes, str]) -> None:
    at_ms = int(event.id.partition("-")[0])
    fields = {codec.text(name): value for name, value in read.items() if name != b"event"}
    session.screen.give({"queue": event.queue, "at_ms": at_ms, "id": event.id, "type": event.type, "fields": fields})
    if session.screen.is_json:
        return
    told = [_HOW.get(name, "{}").format(_shown(name, read[name])) for name in _TOLD if name in read]
    line = "  ".join([_clock(at_ms), printable(event.queue), printable(event.type), printable(event.job_id), *told])
    session.screen.lines([cut(line.rstrip(), LONGEST)])


def _shown(name: bytes, value: str) -> str:
    is_moment = name == b"delay" and value.isdecimal() and len(value) < 16
    return moment(int(value)) if is_moment else printable(value[: 4 * LONGEST])


def _as_stored(name: bytes, value: bytes) -> str:
    return codec.text(value)


def _masked(name: bytes, value: bytes) -> str:
    told = codec.text(value)
    return told if name in _NO_PAYLOAD else mask_text(told) if name == b"failedReason" else mask_json(told)


def _clock(at_ms: int) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at_ms / 1000))}.{at_ms % 1000:03d}"


def _gap(session: Session, gap: Gap) -> None:
    session.screen.give({"queue": gap.queue, "gap": True, "message": gap.message})
    session.screen.lines([f"--------  {printable(gap.queue)}  {gap.message}"])
