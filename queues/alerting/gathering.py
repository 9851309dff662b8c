"""What rules are judged by, of one connection: gathered in few round trips, each part only where a rule asks for it.

Nothing here raises for a Redis that is away: then it is said that nobody knows.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from asgiref.sync import sync_to_async
from django.db.models import Sum

from queues import histogram
from queues.errors import RedisRefused, TorilError
from queues.lookups import metrics
from queues.lookups.heard import Heard, heard
from queues.lookups.metrics import Pulse
from queues.lookups.mirror_state import MirrorState, look
from queues.lookups.scheduler import Scheduler
from queues.lookups.schedulers import scheduler_list
from queues.lookups.server import server
from queues.models import Queue, Sample, Stall
from queues.models.sample import MINUTE_S
from queues.protocol import reads
from queues.protocol.codec import QueueFacts
from queues.protocol.connections import wire
from queues.protocol.fleet import SILENT_AFTER_S, shown_name, time_command

#: What costs more, or changes slowly, is asked for no more often.
SLOW_EVERY_S = 15.0
#: A Redis that takes longer does not answer.
ANSWER_S = 10.0
#: Queues per round trip.
CHUNK = 500
NO_ANSWER = "no-answer"


@dataclass(frozen=True)
class Slow:
    """Gathered less often. Of memory: used and the ceiling, in bytes; None where Redis does not tell."""

    at: float = float("-inf")
    memory: tuple[int, int] | None = None
    #: The ceiling is Redis's own, and not only what the machine has.
    has_ceiling: bool = False
    schedulers: Sequence[Scheduler] | None = None
    #: window → queue → (p95 of how long jobs waited for their start, how many were measured).
    waits: Mapping[int, Mapping[str, tuple[float, int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathered:
    """Of one connection at `at` (epoch seconds). `trouble` is why Redis was not read; then `facts` is None."""

    connection: str
    at: float
    facts: Mapping[str, QueueFacts] | None = None
    trouble: str = ""
    redis_ms: int = 0
    #: queue → how many take its jobs; a queue that is missing here: none. None: nobody knows of those not named.
    workers: Mapping[str, int] = field(default_factory=dict)
    sees_others: bool = True
    pulses: Mapping[str, Pulse] = field(default_factory=dict)
    #: window → queue → how often its jobs stalled.
    stalls: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    mirror: MirrorState = field(default_factory=MirrorState)
    slow: Slow = field(default_factory=Slow)
    #: Since when Redis does not answer, in epoch seconds.
    silent_since: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the rules of a connection ask for: kinds, and windows by kind."""

    kinds: frozenset[str]
    windows: Mapping[str, frozenset[int]]


async def gather(connection: str, wanted: Wanted, slow: Slow) -> Gathered:
    """`slow`: what was gathered last, to be used again while it is young. Raises what the database raises."""
    at = time.time()
    names, mirror, stalls = await sync_to_async(_stored)(connection, wanted, at)
    found = Gathered(connection, at, mirror=mirror, stalls=stalls)
    try:
        async with asyncio.timeout(ANSWER_S):
            return await _asked(found, names, wanted, slow)
    except (TorilError, TimeoutError) as error:
        return replace(found, trouble=str(error) or NO_ANSWER, slow=slow)


async def _asked(found: Gathered, names: Sequence[str], wanted: Wanted, slow: Slow) -> Gathered:
    redis_ms = await wire(found.connection).call(time_command())
    facts: dict[str, QueueFacts] = {}
    for start in range(0, len(names), CHUNK):
        board = await reads.board(found.connection, names[start : start + CHUNK], around=False)
        facts |= {fact.name: fact for fact in board.facts}
    workers: dict[str, int] = {}
    sees_others = True
    if "no_worker" in wanted.kinds:
        workers, sees_others = _working(await heard(found.connection))
    pulses = await metrics.pulses(found.connection) if "failure_rate" in wanted.kinds else {}
    if time.monotonic() - slow.at >= SLOW_EVERY_S:
        slow = await _slowly(found.connection, list(facts), wanted)
    return replace(
        found, facts=facts, redis_ms=redis_ms, workers=workers, sees_others=sees_others, pulses=pulses, slow=slow
    )


def _stored(connection: str, wanted: Wanted, at: float) -> tuple[list[str], MirrorState, dict[int, dict[str, int]]]:
    """What the tables tell."""
    live = Queue.objects.filter(connection=connection, removed_at__isnull=True).order_by("name")
    stalls = {window: _stalls(connection, at - window) for window in wanted.windows.get("stalled", ())}
    return list(live.values_list("name", flat=True)), look(), stalls


def _stalls(connection: str, since: float) -> dict[str, int]:
    rows = Stall.objects.filter(connection=connection, at__gte=int(since) // MINUTE_S * MINUTE_S).order_by()
    return dict(rows.values_list("queue").annotate(n=Sum("count")))


def _working(seen: Heard) -> tuple[dict[str, int], bool]:
    """By queue, and whether those that are not Toril's are known too."""
    fresh = [beat for beat in seen.beats if seen.age_ms(beat) <= SILENT_AFTER_S * 1000]
    found = Counter(share.queue for beat in fresh if beat.state == "running" for share in beat.queues)
    own = {shown_name(beat.name) for beat in seen.beats}
    found.update(one.queue for one in seen.listeners or () if one.name not in own)
    return dict(found), seen.listeners is not None and not seen.refusal


async def _slowly(connection: str, names: Collection[str], wanted: Wanted) -> Slow:
    memory, has_ceiling = None, False
    if "redis_memory" in wanted.kinds:
        memory, has_ceiling = await _memory(connection)
    schedulers = await _schedulers(connection, names) if "scheduler_missed" in wanted.kinds else None
    windows = wanted.windows.get("latency", frozenset())
    waits = await sync_to_async(_waits)(connection, windows) if windows else {}
    return Slow(time.monotonic(), memory, has_ceiling, schedulers, waits)


async def _schedulers(connection: str, names: Collection[str]) -> Sequence[Scheduler] | None:
    """None where Redis forbids to look: all else is known still."""
    try:
        return (await scheduler_list(connection, names)).schedulers
    except RedisRefused:
        return None


async def _memory(connection: str) -> tuple[tuple[int, int] | None, bool]:
    about = await server(connection)
    used, most = about.number("used_memory"), about.number("maxmemory")
    ceiling = most or about.number("total_system_memory")
    return ((used, ceiling) if used and ceiling else None), bool(most)


def _waits(connection: str, windows: Collection[int]) -> dict[int, dict[str, tuple[float, int]]]:
    now = int(time.time())
    rows = Sample.objects.filter(
        series__connection=connection, series__name="", step_s=MINUTE_S, at__gte=now - max(windows) - MINUTE_S
    ).exclude(wait=b"")
    stored = list(rows.values_list("series__queue", "at", "wait"))
    found: dict[int, dict[str, tuple[float, int]]] = {}
    for window in windows:
        added: dict[str, histogram.Histogram] = {}
        for queue, at, packed in stored:
            if at >= now - window - MINUTE_S:
                histogram.merge(added.setdefault(queue, {}), histogram.unpack(packed))
        found[window] = {queue: told for queue, times in added.items() if (told := _p95(times)) is not None}
    return found


def _p95(times: histogram.Histogram) -> tuple[float, int] | None:
    (slow_ms,) = histogram.percentiles(times, (0.95,))
    return None if slow_ms is None else (slow_ms / 1000, sum(times.values()))
