"""What is known of the jobs that events speak of: their names, and the fields of their data by which programs listen.

Remembered from the moment a job is added: one that is removed when it completes is gone when its last event comes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from channels.db import database_sync_to_async

from queues.models import Job
from queues.options import get_options
from queues.options.values import LOCAL_CONNECTION
from queues.protocol import codec
from queues.protocol.codec import raw
from queues.protocol.events import Event
from queues.protocol.reads.carried import Carried

MOST_JOBS = 20_000
#: Longer values are no ids.
LONGEST = 256
#: Clocks of producers and of Redis may differ by this much.
SKEW_MS = 5_000
#: More than this to parse is done beside the loop.
MUCH_BYTES = 128 * 1024
Address = tuple[str, str]
Scalar = str | int | float | bool
Read = Callable[[Sequence[Address]], Awaitable[list[Carried | None]]]


@dataclass(frozen=True, slots=True)
class Facts:
    name: str
    fields: Mapping[str, Scalar]
    timestamp_ms: int

    def is_of(self, event: Event) -> bool:
        """Whether the job was there when this happened: ids come back."""
        return self.timestamp_ms <= int(event.id.partition("-")[0]) + SKEW_MS


def said(value: Scalar) -> str:
    """How a value is compared: a program may ask for 7 or for "7"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def indexed() -> tuple[str, ...]:
    """The fields by which programs may listen, and those that bind the holders of tokens."""
    options = get_options()
    own = [name for issuer in options.credentials.issuers for name, _claim in issuer.own]
    return tuple(dict.fromkeys((*options.live.fields, *own)))


class Known:
    """`read` asks where the jobs are; what is there no more is looked for among the rows that the mirror keeps.

    One with a `present` is for a look back: what it finds of jobs whose ids have come back since is not taken for now.
    """

    def __init__(self, connection: str, read: Read, present: Known | None = None) -> None:
        self.connection, self._read, self._present = connection, read, present
        self._jobs: OrderedDict[Address, Facts] = OrderedDict()
        #: Which fields jobs of a queue were seen to carry, by a look back too.
        self._carried: dict[str, set[str]] = {} if present is None else present._carried

    def of(self, event: Event) -> Facts | None:
        found = self._jobs.get((event.queue, event.job_id))
        if found is not None and found.is_of(event):
            return found
        return self._present.of(event) if self._present is not None else None

    def carries(self, queue: str, names: Iterable[str]) -> bool:
        """Whether jobs of this queue were seen to have these fields; of one that was never seen, a look back cannot
        tell.
        """
        if self._present is not None and queue not in self._carried:
            return True
        return self._carried.get(queue, set()).issuperset(names)

    async def learn(self, events: Iterable[Event]) -> None:
        """Of every job in these. Raises RedisUnavailable."""
        wanted: dict[Address, Event] = {}
        for event in events:
            place = event.queue, event.job_id
            if event.type == "added" and self._present is None:
                self._jobs.pop(place, None)
            if event.job_id and place not in wanted and self.of(event) is None:
                wanted[place] = event
        if wanted:
            await self._look(wanted)

    async def _look(self, wanted: Mapping[Address, Event]) -> None:
        found = dict(zip(wanted, await self._read(list(wanted)), strict=True))
        await self._keep({place: carried for place, carried in found.items() if carried is not None})
        gone = [event for place, event in wanted.items() if self.of(event) is None]
        if gone and self.connection != LOCAL_CONNECTION:
            await self._keep(await database_sync_to_async(_rows)(self.connection, gone))

    async def _keep(self, found: Mapping[Address, Carried]) -> None:
        size, names = sum(len(carried.data or b"") for carried in found.values()), indexed()
        made = await asyncio.to_thread(_all_facts, found, names) if size > MUCH_BYTES else _all_facts(found, names)
        for place, facts in made.items():
            self._jobs[place] = facts
            self._carried.setdefault(place[0], set()).update(facts.fields)
        while len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)


def _all_facts(found: Mapping[Address, Carried], names: Sequence[str]) -> dict[Address, Facts]:
    return {
        place: Facts(carried.name, fields_of(carried.data, names), carried.timestamp_ms)
        for place, carried in found.items()
    }


def fields_of(data: bytes | None, names: Sequence[str]) -> dict[str, Scalar]:
    """What of a job's data has these names and is short and plain; `user.id` is a field of a field."""
    try:
        held = codec.from_json(data) if data is not None else None
    except (ValueError, RecursionError):
        return {}
    values = ((name, _value(held, name)) for name in names)
    return {name: value for name, value in values if is_plain(value)}


def is_plain(value: Any) -> bool:
    # What is no number to JSON could not be told again.
    is_told = isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
    return is_told and 0 < len(str(value)) <= LONGEST


def _value(held: Any, name: str) -> Any:
    if not isinstance(held, dict):
        return None
    if name in held:
        return held[name]
    first, dot, rest = name.partition(".")
    return _value(held.get(first), rest) if dot else None


def _rows(connection: str, events: Sequence[Event]) -> dict[Address, Carried]:
    """As the mirror knows these jobs, each as it was when its event happened."""
    found: dict[Address, Carried] = {}
    by_place = {(event.queue, event.job_id): event for event in events}
    for queue in {queue for queue, _ in by_place}:
        ids = [job_id for of, job_id in by_place if of == queue]
        rows = Job.objects.filter(connection=connection, queue=queue, job_id__in=ids[:500]).order_by("timestamp_ms")
        for job in rows.only("job_id", "name", "data", "timestamp_ms").iterator():
            event = by_place[queue, job.job_id]
            carried = Carried(job.name, raw(job.data), job.timestamp_ms)
            if Facts("", {}, job.timestamp_ms).is_of(event):
                found[queue, job.job_id] = carried
    return found
