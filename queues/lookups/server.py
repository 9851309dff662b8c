"""What the Redis page says: the server as it tells of itself, and what each queue costs; read once for all who look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from queues.errors import RedisRefused
from queues.lookups.shared import shared
from queues.models import Queue
from queues.options import get_options
from queues.protocol.reads.about import About, SlowCommand, Weight, about, weights
from queues.protocol.reads.nodes import Node, nodes

__all__ = ["About", "Node", "SlowCommand", "Weighed", "Weight", "server", "servers", "weighed"]
EVERY_S, WEIGHED_EVERY_S = 3.0, 60.0
#: So many queues are weighed, those with the most jobs.
MOST_WEIGHED = 50


@dataclass(frozen=True, slots=True)
class Weighed:
    """The heaviest first. `left_out` queues have fewer jobs and were not looked at; `forbidden`: MEMORY is."""

    weights: tuple[Weight, ...] = ()
    left_out: int = 0
    at_s: float = 0.0
    forbidden: bool = False

    @property
    def sampled(self) -> int:
        return sum(weight.weighed for weight in self.weights)


async def server(connection: str) -> About:
    """No older than three seconds, asked once however many look. Raises RedisUnavailable."""
    return await shared(("about", get_options().connection(connection)), EVERY_S, lambda: about(connection))


async def servers(connection: str) -> tuple[Node, ...]:
    """The primaries of a Cluster, as old; none of a single server. Raises RedisUnavailable."""
    return await shared(("nodes", get_options().connection(connection)), EVERY_S, lambda: nodes(connection))


async def weighed(connection: str, queues: Sequence[Queue]) -> Weighed:
    """What these queues cost, by samples: no older than a minute."""
    chosen = sorted(queues, key=lambda queue: (-queue.total, queue.name))[:MOST_WEIGHED]
    names = tuple(queue.name for queue in chosen)
    left_out = len(queues) - len(chosen)

    async def read() -> Weighed:
        try:
            found = await weights(connection, {queue.name: queue.counts for queue in chosen})
        except RedisRefused:
            return Weighed(forbidden=True)
        ordered = sorted(found, key=lambda weight: (-weight.total, weight.queue))
        return Weighed(tuple(ordered), left_out, time.time())

    key = ("weights", get_options().connection(connection), frozenset(names))
    return await shared(key, WEIGHED_EVERY_S, read)
