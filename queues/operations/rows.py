"""The jobs that rows tell of: what a search finds, and the failures of a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from asgiref.sync import sync_to_async

from queues.lookups.search import Key, Seen, matching, parse
from queues.models import Job
from queues.operations.target import Kind, Reach, Target
from queues.states import State

CHUNK = 500


async def keys_of(target: Target, reach: Reach) -> AsyncIterator[Sequence[Key]]:
    """Some at a time, none twice. Raises InvalidInput for a query that cannot be read."""
    if target.kind is Kind.SEARCH:
        async for keys in matching(parse(target.query, target.before_ms), seen(target.connection, reach)):
            yield keys
        return
    after = 0
    while found := await _of_group(target, after):
        yield [key for _pk, key in found]
        after = found[-1][0]


def seen(connection: str, reach: Reach) -> Seen:
    """What its asker may find."""

    def places(names: Sequence[str] | None) -> frozenset[tuple[str, str]] | None:
        return None if names is None else frozenset((connection, name) for name in names)

    return Seen(places(reach.queues), places(reach.payloads))


@sync_to_async
def _of_group(target: Target, after: int) -> list[tuple[int, Key]]:
    rows = Job.objects.filter(failure_group=target.of, connection=target.connection, state=State.FAILED.value)
    rows = rows.filter(removed_at__isnull=True, finished_on_ms__lte=target.before_ms, pk__gt=after).order_by("pk")
    found = rows.values_list("pk", "connection", "queue", "job_id", "timestamp_ms")[:CHUNK]
    return [(pk, Key(*key)) for pk, *key in list(found)]  # type: ignore[arg-type]
