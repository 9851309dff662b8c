"""A handle on one job: where it is, how it ended, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.errors import JobFailed, JobNotFound, JobStateChanged, NotCommitted, ResultTimeout
from queues.producer.carrier import carrier
from queues.producer.checks import MAX_PRIORITY, data_json, seconds, whole
from queues.producer.door import SyncDoor
from queues.protocol import codec
from queues.protocol.codec import JobRecord
from queues.signals import job_added
from queues.states import State

MOST_LINES = 10_000


class JobHandle:
    """What was added, or found. Where the id existed already, it stands for the job that was there.

    Every method raises RedisUnavailable where Redis does not answer, and NotCommitted where the job still waits for
    the transaction in which it was added.
    """

    __slots__ = ("_is_written", "connection", "id", "name", "queue")

    def __init__(self, connection: str, queue: str, job_id: str, name: str = "", is_written: bool = True) -> None:
        self.connection, self.queue, self.id, self.name = connection, queue, job_id, name
        self._is_written = is_written

    @property
    def sync(self) -> SyncDoor:
        """The same for code without an event loop."""
        return SyncDoor(self)

    @property
    def is_written(self) -> bool:
        """False while it waits for its transaction, and for good after a rollback."""
        return self._is_written

    async def state(self) -> State:
        """Where it is; State.UNKNOWN where it is nowhere (any more)."""
        return await carrier().state(*self._address())

    async def result(self, timeout_s: float | None = None) -> Any:
        """Wait until it has ended; its result. Raises JobFailed with its reason, ResultTimeout, or JobNotFound.

        A job that is removed as soon as it ends (remove_on_complete) is heard of while its event is kept.
        """
        ending = await carrier().ending(*self._address(), seconds(timeout_s))
        if ending is None:
            raise ResultTimeout(self.queue, self.id, timeout_s or 0)
        if ending.is_failed:
            raise JobFailed(self.queue, self.id, ending.reason)
        return codec.parse_json(ending.value)

    async def refresh(self) -> FoundJob:
        """The job as it is now. Raises JobNotFound."""
        record = await carrier().job(*self._address())
        if record is None:
            raise JobNotFound(self.queue, self.id)
        return FoundJob(self.connection, self.queue, record)

    async def logs(self, start: int = 0, count: int = 1_000) -> list[str]:
        """Log lines, oldest first; a negative `start` counts from the end."""
        address = self._address()
        return (await carrier().logs(*address, start, whole(0, MOST_LINES)("count", count))).lines

    async def log(self, line: str, keep: int | None = None) -> int:
        """Add a line; with `keep`, the newest so many stay. How many there are now. Raises JobNotFound."""
        return await carrier().log(*self._address(), str(line), keep)

    async def children(self) -> JobChildren:
        """What became of the jobs it waits for."""
        found = await carrier().children(*self._address())
        return JobChildren(
            {at: codec.parse_json(value) for at, value in found.values.items()},
            dict(found.ignored),
            found.failed,
            found.pending,
        )

    async def retry(self, *, reset_attempts: bool = False) -> None:
        """Put it back to wait, finished as it is. Raises JobStateChanged where it has not ended, or JobNotFound.

        Its attempts count on, unless `reset_attempts`.
        """
        address = self._address()
        state = await carrier().state(*address)
        if not state.is_finished:
            if state is State.UNKNOWN:
                raise JobNotFound(self.queue, self.id)
            raise JobStateChanged(self.id, "retried", state.value)
        await carrier().retry(*address, state, reset_attempts)

    async def promote(self) -> None:
        """Let a delayed job run next. Raises JobStateChanged or JobNotFound."""
        await carrier().promote(*self._address())

    async def remove(self, *, remove_children: bool = True) -> None:
        """Remove it, with its logs and its children. Raises JobLocked while it runs, JobNotFound, or Refused."""
        await carrier().remove(*self._address(), remove_children)

    async def remove_unprocessed_children(self) -> None:
        """Remove those of its children that neither run nor have ended."""
        await carrier().remove_unprocessed_children(*self._address())

    async def update_data(self, data: Any) -> None:
        """Replace its data; a worker that runs it already keeps what it has. Raises JobNotFound."""
        await carrier().update_data(*self._address(), data_json(data))

    async def change_priority(self, priority: int, *, lifo: bool = False) -> None:
        """0 is none: before all others. `lifo`: first among its equals. Raises JobNotFound."""
        address = self._address()
        await carrier().change_priority(*address, whole(0, MAX_PRIORITY)("priority", priority), lifo)

    async def change_delay(self, delay_ms: int) -> None:
        """Let a delayed job wait so long from now on. Raises JobStateChanged or JobNotFound."""
        await carrier().change_delay(*self._address(), whole(0)("delay_ms", delay_ms))

    def _address(self) -> tuple[str, str, str]:
        if not self._is_written:
            raise NotCommitted(
                f"Job “{self.id}” of queue “{self.queue}” is not added yet: the transaction in which it was added"
                " is not committed, or was rolled back."
            )
        return self.connection, self.queue, self.id

    def written_as(self, job_id: str) -> None:
        """It lies in Redis now, under this id."""
        self.id, self._is_written = job_id, True
        if job_added.receivers:
            job_added.tell(self.queue, queue=self.queue, job_id=job_id, job_name=self.name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.queue}/{self.id}>"


@dataclass(frozen=True, slots=True)
class JobChildren:
    """By `(queue, job id)`: `values` are results, `ignored` the reasons of failures that do not matter to the parent.

    `failed` children failed it or let it go on; `pending` are those it still waits for.
    """

    values: dict[tuple[str, str], Any]
    ignored: dict[tuple[str, str], str]
    failed: int
    pending: int


class FoundJob(JobHandle):
    """A handle with what was read of the job: a snapshot, which `await job.refresh()` takes anew.

    `problems` names each field that BullMQ did not write so; data and options that are no JSON read as None and {}.
    """

    __slots__ = ("data", "options", "progress", "record", "return_value")

    def __init__(self, connection: str, queue: str, record: JobRecord) -> None:
        super().__init__(connection, queue, record.id, record.name)
        self.record = record
        self.data: Any = codec.parse_json(record.data)
        options = codec.parse_json(record.opts)
        #: As BullMQ stores them, under its own names.
        self.options: dict[str, Any] = options if isinstance(options, dict) else {}
        self.progress: Any = codec.parse_json(record.progress) if record.progress else None
        self.return_value: Any = codec.parse_json(record.return_value) if record.return_value else None

    def __getattr__(self, name: str) -> Any:
        """Every other field of the job: timestamp_ms, attempts_made, failed_reason, processed_by, problems, …"""
        if name in _RECORD_FIELDS:
            return getattr(self.record, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def stacktrace(self) -> list[str]:
        """One traceback per failed attempt, oldest first."""
        found = codec.parse_json(self.record.stacktrace) if self.record.stacktrace else []
        return [str(item) for item in found] if isinstance(found, list) else []


_RECORD_FIELDS = frozenset(JobRecord.__dataclass_fields__)
