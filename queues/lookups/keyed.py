"""Jobs by their keys, with what they hold: for exports, which write down thousands and hold few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asgiref.sync import sync_to_async

from queues.errors import RedisRefused
from queues.lookups.lists import jobs_by_id
from queues.lookups.search import Key
from queues.models import Job
from queues.models.local import is_in_process
from queues.options import get_options
from queues.protocol import reads
from queues.protocol.codec import text
from queues.protocol.reads.scan import fields_within

#: A field of more bytes is left out of what is read from Redis.
LARGEST = 256 * 1024
_FIELDS = {b"data": "data", b"returnvalue": "return_value", b"failedReason": "failed_reason"}
Place = tuple[str, str]


async def jobs_of(keys: Sequence[Key]) -> list[Job]:
    """In this order, as the mirror keeps them, else as Redis has them; one that is in neither by now is left out.

    Raises RedisUnavailable where one is to be asked of Redis, which does not answer.
    """
    found = await _kept(keys)
    missing = [key for key in keys if key not in found]
    if missing and not is_in_process():
        for place, ids in _by_place(missing).items():
            found |= {Key(*job.key): job for job in await _live(place, ids)}
    return [found[key] for key in keys if key in found]


def _by_place(keys: Iterable[Key]) -> dict[Place, list[str]]:
    ids: dict[Place, list[str]] = {}
    for key in keys:
        ids.setdefault((key.connection, key.queue), []).append(key.job_id)
    return ids


@sync_to_async
def _kept(keys: Sequence[Key]) -> dict[Key, Job]:
    wanted = set(keys)
    found: dict[Key, Job] = {}
    for (connection, queue), ids in _by_place(keys).items():
        rows = Job.objects.filter(connection=connection, queue=queue, job_id__in=ids).defer("stacktrace")
        found |= {key: job for job in rows if (key := Key(*job.key)) in wanted}
    return found


async def _live(place: Place, ids: Sequence[str]) -> list[Job]:
    connection, queue = place
    if connection not in get_options().connections:
        return []
    try:
        states = await reads.job_states(connection, queue, ids)
    except RedisRefused:
        return []
    jobs: list[Job] = []
    for state in dict.fromkeys(states):
        some = [job_id for job_id, its in zip(ids, states, strict=True) if its is state]
        jobs += await jobs_by_id(connection, queue, state, some)
    await _fill(place, jobs)
    return [job for job in jobs if job.exists]


async def _fill(place: Place, jobs: Sequence[Job]) -> None:
    rest = iter(jobs)
    async for group in fields_within(*place, [job.job_id for job in jobs], (), dict.fromkeys(_FIELDS, LARGEST)):
        for fields in group:
            job = next(rest)
            for name, value in fields.values.items():
                setattr(job, _FIELDS[name], text(value))
