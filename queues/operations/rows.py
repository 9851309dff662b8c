"""The jobs that rows tell of: what a search finds, and the failures of a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from queues.lookups.failures import keys_of as group_keys
from queues.lookups.search import Key, Seen, matching, parse
from queues.operations.target import Kind, Reach, Target


async def keys_of(target: Target, reach: Reach) -> AsyncIterator[Sequence[Key]]:
    """Some at a time, none twice. Raises InvalidInput for a query that cannot be read."""
    if target.kind is Kind.SEARCH:
        async for keys in matching(parse(target.query, target.before_ms), seen(target.connection, reach)):
            yield keys
        return
    async for keys in group_keys(target.connection, target.of, None, live_until_ms=target.before_ms):
        yield keys


def seen(connection: str, reach: Reach) -> Seen:
    """What its asker may find."""

    def places(names: Sequence[str] | None) -> frozenset[tuple[str, str]] | None:
        return None if names is None else frozenset((connection, name) for name in names)

    return Seen(places(reach.queues), places(reach.payloads))
