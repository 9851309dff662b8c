"""A connection's figures as families of metrics: BullMQ's own names, and ours beside them (docs/monitoring.md)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from queues.lookups.exported import Exported
from queues.models import Queue
from queues.protocol.fleet import SILENT_AFTER_S, Beat
from queues.protocol.totals import BOUNDS_MS, Times, Totals
from queues.states import State
from queues.version import VERSION

#: As BullMQ's `exportPrometheusMetrics` orders and names them.
STATES = (State.ACTIVE, State.COMPLETED, State.DELAYED, State.FAILED, State.PRIORITIZED, State.WAITING,
          State.WAITING_CHILDREN)  # fmt: skip
_EDGES = [f"{bound / 1000:g}" if bound < 1_000_000 else f"{bound / 1000:.3f}" for bound in BOUNDS_MS]
Sees = Callable[[str], bool]


class Exposition:
    """What a collector is to prometheus_client. Of queues that are not seen nothing is in any of it."""

    def __init__(self, found: Exported, sees: Sees, *, names_workers: bool = True) -> None:
        self._found, self._names_workers = found, names_workers
        self._queues = [queue for queue in found.queues if sees(queue.name)]
        #: A key that is not what BullMQ makes of it: what its queue counts is not known.
        self._sound = [queue for queue in self._queues if not queue.broken]
        self._sees = sees

    def collect(self) -> Iterator[Metric]:
        yield from self._server()
        yield from self._counts()
        yield from self._totals()
        yield from self._times()
        yield from self._standing()
        yield from self._workers()
        yield from self._mirror()
        yield from self._alerts()

    def _server(self) -> Iterator[Metric]:
        yield _gauge("toril_build_info", "Which Toril answers", [((VERSION,), 1)], ["version"])
        if self._found.is_up is not None:
            yield _gauge("bullmq_redis_up", "Whether Redis answers", [((), int(self._found.is_up))])
        if server := self._found.server:
            told = "that Redis uses", "that Redis may use; 0 is unlimited"
            yield _gauge("bullmq_redis_memory_used_bytes", f"Bytes {told[0]}", [((), server.used_memory)])
            yield _gauge("bullmq_redis_memory_max_bytes", f"Bytes {told[1]}", [((), server.max_memory)])

    def _counts(self) -> Iterator[Metric]:
        counted = (((q.name, state.value), q.count(state)) for q in self._sound for state in STATES)
        yield _gauge("bullmq_job_count", "Number of jobs in the queue by state", counted, ["queue", "state"])

    def _totals(self) -> Iterator[Metric]:
        kinds: list[tuple[str, str, Callable[[Totals], int | None]]] = [
            ("completed", "Total number of completed jobs", lambda total: total.completed),
            ("failed", "Total number of failed jobs", lambda total: total.failed),
            ("retried", "Total number of failed attempts that another follows", lambda total: total.retried),
        ]
        for kind, words, count in kinds:
            family = CounterMetricFamily(f"bullmq_job_{kind}_total", words, labels=["queue"])
            for queue, total in self._counted():
                if (value := count(total)) is not None:
                    family.add_metric([queue.name], value)
            yield family

    def _times(self) -> Iterator[Metric]:
        kinds: list[tuple[str, str, Callable[[Totals], Times]]] = [
            ("duration", "How long attempts ran", lambda total: total.run),
            ("wait", "How long jobs waited for their first attempt", lambda total: total.wait),
        ]
        for kind, words, times in kinds:
            family = HistogramMetricFamily(f"bullmq_job_{kind}_seconds", words, labels=["queue"])
            for queue, total in self._counted():
                if (told := times(total)).count:
                    buckets = [*zip(_EDGES, told.within, strict=True), ("+Inf", told.count)]
                    family.add_metric([queue.name], buckets, sum_value=told.sum_ms / 1000)
            yield family

    def _standing(self) -> Iterator[Metric]:
        now_ms = time.time() * 1000
        yield self._each("queue_oldest_waiting_seconds", "Age of the next waiting job", lambda q: _oldest_s(q, now_ms))
        yield self._each("queue_paused", "Whether the queue is paused", lambda queue: int(queue.is_paused))
        yield self._each("rate_limited_seconds", "How long no job may start", lambda q: q.rate_limited_ms / 1000)
        yield self._each("queue_failure_ratio", "Failed of all that ended within the last hour", _failing)
        broken = (((queue.name,), int(bool(queue.broken))) for queue in self._queues)
        yield _gauge("bullmq_queue_broken", "Whether a key of the queue is none of BullMQ's", broken, ["queue"])

    def _workers(self) -> Iterator[Metric]:
        yield self._each("workers", "Workers that listen", lambda queue: queue.workers)
        if self._found.is_up is None:
            return
        beats = [beat for beat in self._found.heard.beats if any(self._sees(share.queue) for share in beat.queues)]
        slots, used = self._slots(beats)
        yield self._each("worker_slots", "Jobs that Toril's workers could run at once", lambda q: slots.get(q.name))
        yield self._each("worker_slots_used", "Jobs that they run", lambda q: used[q.name] if q.name in slots else None)
        if self._names_workers:
            ages = (((beat.id, beat.name), self._found.heard.age_ms(beat) / 1000) for beat in beats)
            words = "Seconds since a worker process was heard"
            yield _gauge("bullmq_worker_last_heartbeat_seconds", words, ages, ["process", "worker"])

    def _slots(self, beats: Iterable[Beat]) -> tuple[Counter[str], Counter[str]]:
        """Of processes that are heard and take jobs."""
        slots, used = Counter[str](), Counter[str]()
        for beat in beats:
            if beat.state == "running" and self._found.heard.age_ms(beat) <= SILENT_AFTER_S * 1000:
                for share in beat.queues:
                    slots[share.queue] += share.slots
                    used[share.queue] += share.used
        return slots, used

    def _mirror(self) -> Iterator[Metric]:
        if self._found.is_up is None:
            return
        mirror = self._found.mirror
        yield _gauge("toril_mirror_up", "Whether a mirror leads", [((), int(mirror.leads))])
        if (lag_s := mirror.lag_s(self._found.connection)) is not None:
            yield _gauge("toril_mirror_lag_seconds", "How far the mirror is behind Redis", [((), lag_s)])

    def _alerts(self) -> Iterator[Metric]:
        """Where nobody looks at the rules, how long ago that was is all that is told."""
        standing = self._found.alerts
        if self._found.is_up is None or standing is None or standing.age_s is None:
            return
        yield _gauge("toril_alerts_looked_seconds", "Seconds since alert rules were looked at", [((), standing.age_s)])
        if standing.is_watched:
            told = ((place, count) for place, count in standing.counts().items() if self._sees(place[0]))
            yield _gauge("toril_alerts_firing", "Alerts that fire; without a queue: the connection's", told,
                         ["queue", "kind"])  # fmt: skip

    def _counted(self) -> Iterator[tuple[Queue, Totals]]:
        return ((queue, total) for queue in self._sound if (total := self._found.totals.get(queue.name)))

    def _each(self, name: str, words: str, value: Callable[[Queue], float | None]) -> Metric:
        told = (((queue.name,), found) for queue in self._sound if (found := value(queue)) is not None)
        return _gauge(f"bullmq_{name}", words, told, ["queue"])


def _gauge(
    name: str, words: str, told: Iterable[tuple[Sequence[str], float]], labels: Sequence[str] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, value in told:
        family.add_metric(values, value)
    return family


def _oldest_s(queue: Queue, now_ms: float) -> float | None:
    """Nought where nothing waits; None where something does and nobody knows since when."""
    if queue.oldest_waiting_ms is not None:
        return max(0.0, now_ms - queue.oldest_waiting_ms) / 1000
    return None if queue.waiting or queue.prioritized else 0.0


def _failing(queue: Queue) -> float | None:
    pulse = queue.pulse
    rate: float | None = pulse.failure_rate if pulse is not None else None
    return rate
