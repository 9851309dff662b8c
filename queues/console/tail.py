"""`tail`: the events of queues as they come."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress

from queues.console.exits import Exit
from queues.console.screen import cut, moment, printable
from queues.console.session import Session
from queues.lookups.following import Follower, Gap
from queues.protocol import codec
from queues.protocol.events import Event

LONGEST = 160
#: What people see of an event, in this order; programs see every field.
_TOLD = (b"prev", b"failedReason", b"returnvalue", b"data", b"delay", b"name", b"count")
_HOW = {b"prev": "from {}", b"delay": "due {}", b"count": "{} jobs"}


def tail(session: Session, options: Namespace) -> Exit:
    """Follow queues' events until Ctrl-C, or --count of them; lost ones are announced."""
    with suppress(KeyboardInterrupt):
        session.run(_follow(session, options))
    return Exit.DONE


async def _follow(session: Session, options: Namespace) -> None:
    follower = await Follower.of(session.connection, options.queues, from_start=options.from_start)
    session.screen.note(f"Following {', '.join(follower.queues)}; Ctrl-C ends it.")
    left = options.count or sys.maxsize
    try:
        while left > 0:
            left -= _tell(session, await follower.read(), options.type, left)
            # A flood of events must not make Ctrl-C wait.
            await asyncio.sleep(0)
    finally:
        await follower.close()


def _tell(session: Session, found: Sequence[Event | Gap], types: Sequence[str], most: int) -> int:
    """How many events were shown."""
    shown = 0
    for one in found:
        if isinstance(one, Gap):
            _gap(session, one)
        elif shown < most and (not types or one.type in types):
            _event(session, one)
            shown += 1
    return shown


def _event(session: Session, event: Event) -> None:
    at_ms = int(event.id.partition("-")[0])
    fields = {codec.text(name): codec.text(value) for name, value in event.fields.items() if name != b"event"}
    session.screen.give({"queue": event.queue, "at_ms": at_ms, "id": event.id, "type": event.type, "fields": fields})
    if session.screen.is_json:
        return
    told = [_HOW.get(name, "{}").format(_shown(name, event.fields[name])) for name in _TOLD if name in event.fields]
    line = "  ".join([_clock(at_ms), printable(event.queue), printable(event.type), printable(event.job_id), *told])
    session.screen.lines([cut(line.rstrip(), LONGEST)])


def _shown(name: bytes, value: bytes) -> str:
    text = codec.text(value[: 4 * LONGEST])
    return moment(int(text)) if name == b"delay" and text.isdecimal() and len(text) < 16 else printable(text)


def _clock(at_ms: int) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at_ms / 1000))}.{at_ms % 1000:03d}"


def _gap(session: Session, gap: Gap) -> None:
    session.screen.give({"queue": gap.queue, "gap": True, "message": gap.message})
    session.screen.lines([f"--------  {printable(gap.queue)}  {gap.message}"])
