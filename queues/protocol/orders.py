"""What people ask of worker processes, and what those answer: a stream that every process listens to, and a hash per
request. Positions and deadlines are Redis's own clock.

What is read is bounded and of known names: whatever else stands in the stream is no order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from queues.errors import RedisRefused
from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import prefix, wire
from queues.protocol.events import server_now
from queues.protocol.fleet import is_process_id, short, time_command
from queues.protocol.keys import FleetKeys
from queues.protocol.wire import Wire

#: An order that nobody took within this is void, also for a process that wakes later.
VALID_S = 5.0
#: How long answers, and the stream after its last order, stay.
KEPT_S = 120
MOST_ORDERS = 1_000
LONGEST_ID = 4_096
LONGEST_REASON = 1_000
LONGEST_MESSAGE = 500
#: How much longer than its block an answer may take before the connection counts as half-open.
MARGIN_S = 2.0
#: Addressed to every process.
ALL = "*"
_REQUEST = re.compile(r"[0-9a-f-]{36}")


class Verb(StrEnum):
    QUIET = "quiet"
    RESUME = "resume"
    STOP = "stop"
    CANCEL = "cancel"


class Stage(StrEnum):
    """TAKEN: the process has read it; DONE: it is so; REFUSED: it cannot be, and the message says why."""

    TAKEN = "taken"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Order:
    """One request. `process` is an id, or `ALL`. `queue`, `job_id`, `reason` and `retry` belong to a cancellation."""

    verb: Verb
    process: str
    by: str
    until_ms: int
    queue: str = ""
    job_id: str = ""
    reason: str = ""
    retry: bool = False
    request: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    process: str
    stage: Stage
    message: str = ""


async def give(connection: str, order: Order) -> Order:
    """Put an order into the stream; as it was given, with its request id and deadline.

    Raises RedisRefused, which names the key: something else may stand in its place.
    """
    on, k = wire(connection), FleetKeys(prefix(connection))
    now_ms = await on.call(time_command())
    fields = {
        "request": str(uuid4()),
        "verb": order.verb.value,
        "process": order.process,
        "by": short(order.by),
        "until_ms": now_ms + int(VALID_S * 1000),
        "queue": codec.raw(order.queue),
        "job_id": codec.raw(order.job_id),
        "reason": codec.raw(order.reason[:LONGEST_REASON]),
        "retry": int(order.retry),
    }
    flat = [part for pair in fields.items() for part in pair]
    add = command("XADD", k.control, "MAXLEN", "~", MOST_ORDERS, "*", *flat)
    try:
        await on.run([add, command("PEXPIRE", k.control, KEPT_S * 1000)])
    except RedisRefused as error:
        raise RedisRefused(f"Nothing can be asked for by {codec.text(k.control)}: {error}") from None
    return _given(order, fields)


def _given(order: Order, fields: Mapping[str, Any]) -> Order:
    return Order(
        order.verb,
        order.process,
        order.by,
        fields["until_ms"],
        order.queue,
        order.job_id,
        order.reason,
        order.retry,
        fields["request"],
    )


async def orders(on: Wire, k: FleetKeys, after: str, block_ms: int) -> list[tuple[str, Order | None]]:
    """What came after this position, with its position, waiting up to `block_ms`; None for what is no order."""
    asked = command("XREAD", "COUNT", 20, "BLOCK", block_ms, "STREAMS", k.control, after)
    reply = await on.call(asked, block_ms / 1000 + MARGIN_S)
    return [(entry_id.decode(), read(codec.pairs(flat))) for _, entries in reply or () for entry_id, flat in entries]


def earlier(one: str, other: str) -> str:
    """Of two positions the one that comes first."""
    return min(one, other, key=_place)


async def still(on: Wire, k: FleetKeys, after: str) -> str:
    """Where to listen on, nothing having come after this position: there, unless it lies ahead of Redis's clock and
    what stood there is gone. Orders would come before it then: its id was forged, or that clock was set back.
    """
    now = await server_now(on)
    if earlier(after, now) == after:
        return after
    asked = command("XREAD", "COUNT", 1, "STREAMS", k.control, _before(after))
    return after if await on.call(asked) else now


def _place(position: str) -> tuple[int, int]:
    ms, _, count = position.partition("-")
    return int(ms), int(count)


def _before(position: str) -> str:
    ms, count = _place(position)
    return f"{ms}-{count - 1}" if count else f"{ms - 1}-{2**64 - 1}"


def read(fields: Mapping[bytes, bytes]) -> Order | None:
    """The order that an entry of the stream is, or None."""
    verb, process = _said(fields, b"verb", 20), _said(fields, b"process", 64)
    request, until = _said(fields, b"request", 36), fields.get(b"until_ms", b"")
    if verb not in list(Verb) or not _REQUEST.fullmatch(request) or not (process == ALL or is_process_id(process)):
        return None
    if len(fields.get(b"job_id", b"")) > LONGEST_ID or len(fields.get(b"queue", b"")) > LONGEST_ID:
        return None
    return Order(
        verb=Verb(verb),
        process=process,
        by=_said(fields, b"by", 200),
        until_ms=codec.integer("until_ms", until[:20])[0],
        queue=_said(fields, b"queue", LONGEST_ID),
        job_id=_said(fields, b"job_id", LONGEST_ID),
        reason=_said(fields, b"reason", LONGEST_REASON * 4)[:LONGEST_REASON],
        retry=fields.get(b"retry") == b"1",
        request=request,
    )


def _said(fields: Mapping[bytes, bytes], name: bytes, limit: int) -> str:
    return codec.text(fields.get(name, b"")[:limit])


def answer_commands(k: FleetKeys, request: str, answer: Answer) -> list[Command[Any]]:
    told = json.dumps({"stage": answer.stage.value, "message": short(answer.message, LONGEST_MESSAGE)})
    key = k.answer(request)
    return [command("HSET", key, answer.process, told), command("PEXPIRE", key, KEPT_S * 1000)]


async def answers(connection: str, request: str) -> dict[str, Answer]:
    """What has been answered so far, by process id."""
    key = FleetKeys(prefix(connection)).answer(request)
    told = await wire(connection).call(command("HGETALL", key, read=codec.pairs))
    found = [_answer(codec.text(process), value) for process, value in told.items()]
    return {answer.process: answer for answer in found if answer is not None}


def _answer(process: str, value: bytes) -> Answer | None:
    told = codec.parse_json(codec.text(value[: 8 * LONGEST_MESSAGE]))
    if not isinstance(told, Mapping) or told.get("stage") not in list(Stage) or not is_process_id(process):
        return None
    return Answer(process, Stage(told["stage"]), short(str(told.get("message", "")), LONGEST_MESSAGE))
