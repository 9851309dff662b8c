"""Jobs kept in memory while a test runs: what was added, in which order it would run, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from queues.options import get_options
from queues.protocol import codec
from queues.protocol.adding import NewJob, wire_options
from queues.protocol.codec import JobRecord, text
from queues.protocol.keys import Keys
from queues.protocol.taken import TakenJob
from queues.states import State

Address = tuple[str, str]


@dataclass(eq=False)
class CapturedJob:
    """A job as it was added; `options` have the names that `add` takes, the queue's defaults among them."""

    connection: str
    queue: str
    id: str
    name: str
    data_json: str
    options: Mapping[str, Any]
    timestamp_ms: int
    #: Smaller is added earlier; negative where it is lifo.
    number: int
    state: State = State.WAITING
    due_ms: int = 0
    priority: int = 0
    attempts_made: int = 0
    processed_on_ms: int | None = None
    finished_on_ms: int | None = None
    return_value: str = ""
    failed_reason: str = ""
    progress_json: str = ""
    traces: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    #: What it told of itself (`job.notify`): each event's name, then its fields and values in turns.
    notices: list[tuple[str, ...]] = field(default_factory=list)
    parent: CapturedJob | None = None
    children: list[CapturedJob] = field(default_factory=list)
    #: What its processor raised in its last attempt.
    error: BaseException | None = field(default=None, repr=False)

    @property
    def data(self) -> Any:
        """The data as a processor would find it: after its way through JSON."""
        return json.loads(self.data_json)

    @property
    def progress(self) -> Any:
        return json.loads(self.progress_json) if self.progress_json else None

    @property
    def result(self) -> Any:
        """What its processor returned. Raises AssertionError where it has not completed."""
        if self.state is not State.COMPLETED:
            raise AssertionError(f"{self.queue} {self.id} “{self.name}” is {self.state}: {self.failed_reason or '-'}")
        return json.loads(self.return_value)

    @property
    def key(self) -> str:
        return text(Keys(self._prefix, self.queue).job(self.id))

    @property
    def _prefix(self) -> str:
        return get_options().connection(self.connection).prefix

    @property
    def wire_options(self) -> dict[str, Any]:
        return wire_options(self.options, self._prefix)

    def taken(self) -> TakenJob:
        """As a worker would have taken it from Redis."""
        fields = {
            "name": self.name,
            "data": self.data_json,
            "opts": codec.to_json(self.wire_options),
            "timestamp": str(self.timestamp_ms),
            "priority": str(self.priority),
            "atm": str(self.attempts_made),
            "ats": str(self.attempts_made + 1),
            "stacktrace": codec.to_json(self.traces),
        }
        return TakenJob(codec.raw(self.id), {name.encode(): codec.raw(value) for name, value in fields.items()})

    def record(self) -> JobRecord:
        return JobRecord(
            id=self.id,
            name=self.name,
            data=self.data_json,
            opts=codec.to_json(self.wire_options),
            timestamp_ms=self.timestamp_ms,
            delay_ms=max(0, self.due_ms - self.timestamp_ms) if self.state is State.DELAYED else 0,
            priority=self.priority,
            processed_on_ms=self.processed_on_ms,
            finished_on_ms=self.finished_on_ms,
            attempts_started=self.attempts_made + (self.state is State.ACTIVE),
            attempts_made=self.attempts_made,
            progress=self.progress_json,
            return_value=self.return_value,
            failed_reason=self.failed_reason,
            stacktrace=codec.to_json(self.traces),
            parent_key=self.parent.key if self.parent else "",
            processed_by="test" if self.processed_on_ms else "",
        )


class Shelf:
    """All jobs of a test, by queue and id."""

    def __init__(self) -> None:
        self._queues: dict[Address, dict[str, CapturedJob]] = {}
        self._numbers = 0
        self._ids: dict[Address, int] = {}
        #: Whose jobs stay where they are.
        self.paused: set[Address] = set()

    def __iter__(self) -> Iterator[CapturedJob]:
        """In the order in which they were added."""
        found = [job for jobs in self._queues.values() for job in jobs.values()]
        return iter(sorted(found, key=lambda job: abs(job.number)))

    def clear(self) -> None:
        self._queues.clear()

    def of(self, connection: str, queue: str) -> dict[str, CapturedJob]:
        return self._queues.setdefault((connection, queue), {})

    def put(self, connection: str, queue: str, job: NewJob) -> tuple[CapturedJob, bool]:
        """The job, and whether it is new: one that the queue holds already stays as it is."""
        jobs = self.of(connection, queue)
        if (known := jobs.get(job.id) or self._deduplicated(jobs, job)) is not None:
            return known, False
        self._numbers += 1
        options = job.options
        made = CapturedJob(
            connection,
            queue,
            job.id or self._next_id((connection, queue)),
            job.name,
            job.data,
            options,
            job.timestamp_ms,
            -self._numbers if options.get("lifo") else self._numbers,
            priority=int(options.get("priority") or 0),
        )
        delay_ms = int(options.get("delay_ms") or 0)
        self.queue_up(made, job.timestamp_ms + delay_ms if delay_ms else 0)
        jobs[made.id] = made
        if job.parent is not None and (
            parent := self._queues.get((connection, job.parent.queue), {}).get(job.parent.id)
        ):
            made.parent = parent
            parent.children.append(made)
            parent.state = State.WAITING_CHILDREN
        return made, True

    def queue_up(self, job: CapturedJob, due_ms: int = 0) -> None:
        """Let it wait for its run, until `due_ms` where that is set."""
        job.due_ms = due_ms
        job.state = State.DELAYED if due_ms else State.PRIORITIZED if job.priority else State.WAITING

    def next(self, queues: frozenset[str], *, delayed: bool) -> CapturedJob | None:
        """Which job would run next, of these queues (all where none is named); where none is ready, and with `delayed`,
        the one that is due first.
        """
        jobs = [job for job in self if not queues or job.queue in queues]
        jobs = [job for job in jobs if (job.connection, job.queue) not in self.paused]
        ready = [job for job in jobs if job.state in (State.WAITING, State.PRIORITIZED)]
        if ready:
            return min(ready, key=lambda job: (job.priority, job.number))
        later = [job for job in jobs if job.state is State.DELAYED] if delayed else []
        return min(later, key=lambda job: (job.due_ms, job.number), default=None)

    def _next_id(self, address: Address) -> str:
        self._ids[address] = self._ids.get(address, 0) + 1
        return str(self._ids[address])

    def _deduplicated(self, jobs: Mapping[str, CapturedJob], added: NewJob) -> CapturedJob | None:
        """The unfinished job with the same deduplication id; a test has no time for a ttl to pass."""
        wanted = (added.options.get("deduplication") or {}).get("id")
        if wanted is None:
            return None
        holders = (job for job in jobs.values() if (job.options.get("deduplication") or {}).get("id") == wanted)
        return next((job for job in holders if not job.state.is_finished), None)
