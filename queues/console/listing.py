"""`list` and `counts`: queues and how many jobs they hold."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

from queues.console.exits import Exit, exit_of, together
from queues.console.screen import number, printable, span, table
from queues.console.session import Session
from queues.errors import QueueNotFound, RedisUnavailable
from queues.lookups.snapshot import Snapshot, snapshot
from queues.models import Queue
from queues.states import LISTED, State

#: A keyspace of many millions takes its time to be walked.
PATIENCE_S = 30.0
_SHORT = {State.PRIORITIZED: "prio", State.WAITING_CHILDREN: "children"}
#: Columns that are shown only where they say something.
_RARE = (State.PRIORITIZED, State.WAITING_CHILDREN)


def list_queues(session: Session, _options: Namespace) -> Exit:
    """Every queue, its counts and whether it is paused."""
    found = session.run(_look(session.connection))
    session.screen.give({"connection": found.connection, "queues": [facts(queue) for queue in found.queues]})
    if found.queues:
        session.screen.lines(_table(found.queues))
    else:
        session.screen.say("There are no queues.")
    return Exit.DONE


def counts(session: Session, options: Namespace) -> Exit:
    """The counts of the named queues, a state per line."""
    found = session.run(_look(session.connection))
    codes, queues, missing = [], [], []
    for name in options.queues:
        queue = found.queue(name)
        if queue is None:
            error = QueueNotFound(name)
            session.screen.note(str(error))
            codes.append(exit_of(error))
            missing.append({"queue": name, "error": {"code": error.code, "message": str(error)}})
            continue
        codes.append(Exit.DONE)
        queues.append(queue)
        session.screen.lines(_one(queue))
    wrong = {"results": missing} if missing else {}
    session.screen.give({"connection": found.connection, "queues": [facts(queue) for queue in queues], **wrong})
    return together(codes)


async def _look(connection: str) -> Snapshot:
    """The queues as they are now. Raises RedisUnavailable or RedisRefused."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = await snapshot(connection, max_age_s=0.0)
        except RedisUnavailable as error:
            # The walk through the keyspace goes on meanwhile.
            if "did not answer within" not in str(error) or time.monotonic() > until:
                raise
        else:
            if found.error:
                raise RedisUnavailable(found.error)
            return found


def facts(queue: Queue) -> dict[str, Any]:
    """A queue for a program. `workers` is null where Redis would not say."""
    return {
        "name": queue.name,
        "counts": {state.value: queue.count(state) for state in LISTED},
        "is_paused": queue.is_paused,
        "workers": queue.workers,
        "concurrency": queue.concurrency,
        "rate_limit": {"max": queue.rate_limit_max, "duration_ms": queue.rate_limit_duration_ms}
        if queue.rate_limit_max is not None
        else None,
        "rate_limited_ms": queue.rate_limited_ms,
        "oldest_waiting_ms": queue.oldest_waiting_ms,
        "broken": queue.broken,
    }


def _table(queues: tuple[Queue, ...]) -> list[str]:
    states = [state for state in LISTED if state not in _RARE or any(queue.count(state) for queue in queues)]
    flags = any(_flag(queue) for queue in queues)
    heads = [
        "queue",
        *(
            [
                "",
            ]
            if flags
            else []
        ),
        *(_SHORT.get(state, state.value) for state in states),
        "workers",
    ]
    rows = [
        [
            queue.name,
            *([_flag(queue)] if flags else []),
            *(number(queue.count(state)) for state in states),
            "?" if queue.workers is None else number(queue.workers),
        ]
        for queue in queues
    ]
    return table(heads, rows, left=2 if flags else 1)


def _flag(queue: Queue) -> str:
    return "broken" if queue.broken else "paused" if queue.is_paused else "limited" if queue.rate_limited_ms else ""


def _one(queue: Queue) -> list[str]:
    lines = [printable(queue.name) + (f" ({_flag(queue)})" if _flag(queue) else "")]
    rows = [[f"  {state.label.lower()}", number(queue.count(state))] for state in LISTED]
    rows.append(["  workers", "?" if queue.workers is None else number(queue.workers)])
    if queue.oldest_waiting_ms:
        rows.append(["  oldest waiting", span(time.time() - queue.oldest_waiting_ms / 1000)])
    lines += table(["", ""], rows)[1:]
    if queue.broken:
        lines.append(f"  {printable(queue.broken)}")
    return lines
