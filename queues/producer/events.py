"""A queue's events as a program reads them: typed, in order, with a sign where some were missed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from queues.errors import InvalidInput
from queues.producer.carrier import carrier
from queues.protocol import codec
from queues.protocol.events import Event


@dataclass(frozen=True, slots=True)
class QueueEvent:
    """`type` is BullMQ's word: added, waiting, active, progress, completed, failed, delayed, stalled, removed, … or
    `gap`, where the stream was trimmed before it was read; `count` events were missed, 0 where that is not known.

    What a type does not tell is None. `value` is the result of a completed job, and the progress it reports;
    `due_ms` when a delayed job is due; `at_ms` the moment of the event by Redis's clock.
    """

    queue: str
    id: str
    type: str
    job_id: str
    at_ms: int
    name: str | None = None
    prev: str | None = None
    value: Any = None
    reason: str | None = None
    due_ms: int | None = None
    attempts_made: int | None = None
    deduplication_id: str | None = None
    deduplicated_job_id: str | None = None
    count: int | None = None
    fields: Mapping[str, str] | None = None


async def events(connection: str, queue: str, after: str | None) -> AsyncGenerator[QueueEvent, None]:
    if after is not None and not _is_event_id(after):
        raise InvalidInput(f"after must be an event's id, such as 1700000000000-0, not {after!r}.")
    async with aclosing(carrier().events(connection, queue, after)) as found:
        async for event in found:
            yield queue_event(event)


def _is_event_id(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    ms, dash, number = text.partition("-")
    return text.isascii() and ms.isdecimal() and (number.isdecimal() if dash else True)


def queue_event(event: Event) -> QueueEvent:
    """Nothing in it can fail: what cannot be read is None, and `fields` hold what was written."""
    fields = {codec.text(name): codec.text(value) for name, value in event.fields.items()}
    written = fields.get("returnvalue", fields.get("data"))
    return QueueEvent(
        event.queue,
        event.id,
        event.type,
        event.job_id,
        int(event.id.partition("-")[0]),
        name=fields.get("name"),
        prev=fields.get("prev"),
        value=None if written is None else codec.parse_json(written),
        reason=fields.get("failedReason"),
        due_ms=_number(fields.get("delay")),
        attempts_made=_number(fields.get("attemptsMade")),
        deduplication_id=fields.get("deduplicationId"),
        deduplicated_job_id=fields.get("deduplicatedJobId"),
        count=_number(fields.get("count")) if event.type != "gap" else _number(fields.get("count", "0")),
        fields=fields,
    )


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    number, problem = codec.integer("", text.encode())
    return None if problem else number
