"""What Prometheus is told of a connection's queues: read once a second, whoever asks and however often.

Beside the figures that pages read too it costs Redis one pipeline. What is not known is left out, never nought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.lookups import alerts
from queues.lookups.heard import Heard, heard
from queues.lookups.mirror_state import MirrorState, mirror_state
from queues.lookups.shared import shared
from queues.lookups.snapshot import ANSWER_WITHIN_S, snapshot
from queues.models import Queue
from queues.models.local import is_in_process
from queues.options import get_options
from queues.protocol.reads import ServerInfo
from queues.protocol.totals import Totals, totals

EVERY_S = 1.0
#: The mirror's lag comes from the database, in several questions.
MIRROR_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Exported:
    """As it is now. `is_up`: whether Redis answers, None where there is none; while it does not, no queue is told."""

    connection: str
    is_up: bool | None = None
    queues: tuple[Queue, ...] = ()
    totals: Mapping[str, Totals] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    mirror: MirrorState = field(default_factory=MirrorState)
    server: ServerInfo | None = None
    alerts: alerts.Standing | None = None


async def exported(connection: str) -> Exported:
    """No older than a second. Never raises for a Redis or a database that is away; ConfigurationError where there is
    no such connection.
    """
    options = get_options()
    key = ("exported", options.connection(connection), options.metrics, options.use_job_queue)
    return await shared(key, EVERY_S, lambda: _read(connection))


async def _read(connection: str) -> Exported:
    mirror = await shared(("mirror", get_options().connection(connection)), MIRROR_EVERY_S, mirror_state)
    fires = await shared(
        ("alerts", get_options().connection(connection)), MIRROR_EVERY_S, lambda: alerts.standing(connection)
    )
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            seen = await snapshot(connection)
            if seen.error:
                return Exported(connection, is_up=False, mirror=mirror, alerts=fires)
            queues = tuple(_shown(seen.queues))
            if is_in_process():
                return Exported(connection, queues=queues)
            counted, told = await asyncio.gather(totals(connection, [q.name for q in queues]), _heard(connection))
    except (RedisUnavailable, RedisRefused, TimeoutError):
        return Exported(connection, is_up=False, mirror=mirror, alerts=fires)
    return Exported(connection, True, queues, counted, told, mirror, seen.server, fires)


def _shown(queues: Iterable[Queue]) -> Iterable[Queue]:
    shows = get_options().metrics.shows
    return (queue for queue in queues if shows(queue.name))


async def _heard(connection: str) -> Heard:
    with suppress(TorilError):
        return await heard(connection)
    return Heard(listeners=None)
