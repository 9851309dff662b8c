"""What a processor is given: the job's facts, and ways to report while it runs. Nothing here knows Redis."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from queues.errors import TorilError
from queues.protocol import codec
from queues.protocol.taken import TakenJob
from queues.runs import journal
from queues.runs.notice import notice

MAX_LOG_LINE = 64_000
#: What `job.data` is: the model that the processor declares, or what JSON says.
D = TypeVar("D")


class Reporter(Protocol):
    """Where a job's reports go. Each raises JobNotFound where the job was removed meanwhile."""

    async def log(self, text: str) -> None: ...

    async def progress(self, value_json: str) -> None: ...

    async def update_data(self, data_json: str) -> None: ...

    async def notify(self, told: Sequence[str]) -> None:
        """An event's name, then its fields and values in turns."""
        ...

    async def children(self) -> Mapping[str, Any]:
        """The results of the finished children, by their key `<prefix>:<queue>:<id>`."""
        ...


class _Nobody:
    """Hears reports of a job that is not run."""

    async def log(self, text: str) -> None:
        return None

    async def progress(self, value_json: str) -> None:
        return None

    async def update_data(self, data_json: str) -> None:
        return None

    async def notify(self, told: Sequence[str]) -> None:
        return None

    async def children(self) -> Mapping[str, Any]:
        return {}


NOBODY: Reporter = _Nobody()


class JobFacts(Generic[D]):
    """`attempt` counts from 1 to `attempts`; `data` is the processor's own to change. `worker` is who runs it: what the
    job's `processedBy` says.
    """

    __slots__ = (
        "__weakref__",
        "_given_up",
        "_has_seen",
        "_is_cancelled",
        "_reporter",
        "_started",
        "_taken",
        "attempt",
        "attempts",
        "data",
        "id",
        "name",
        "priority",
        "queue",
        "timeout_s",
        "worker",
    )

    def __init__(
        self,
        taken: TakenJob,
        queue: str,
        data: D,
        reporter: Reporter,
        timeout_s: float | None = None,
        worker: str = "",
    ) -> None:
        self.id = taken.id
        self.name = taken.name
        self.queue = queue
        self.data = data
        self.attempt = taken.attempts_made + 1
        self.attempts = taken.attempts
        self.priority = taken.priority
        self.timeout_s = timeout_s
        self.worker = worker
        self._taken, self._reporter = taken, reporter
        self._is_cancelled = self._has_seen = self._given_up = False
        self._started = time.monotonic()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.queue}/{self.id} “{self.name}”>"

    @property
    def cancelled(self) -> bool:
        """True once somebody cancelled the job, its time is over, its lock is lost, or the worker stops. Visible from
        any thread.

        A processor that saw it and returns has not completed.
        """
        if self._is_cancelled:
            self._has_seen = True
        return self._is_cancelled

    @property
    def time_left_s(self) -> float | None:
        """What is left of `timeout_s`, at least 0; None where there is no limit."""
        if self.timeout_s is None:
            return None
        return max(0.0, self._started + self.timeout_s - time.monotonic())

    @property
    def timestamp_ms(self) -> int:
        """When it was added: milliseconds since 1970."""
        return self._taken.timestamp_ms

    @property
    def earlier_traces(self) -> list[str]:
        """The tracebacks of its failed attempts, oldest first, as far as the job keeps them."""
        return self._taken.traces()

    @property
    def trace_context(self) -> dict[str, str]:
        """The headers of the trace that the job was added in (`traceparent`, …); empty where it came with none."""
        carried = self._taken.options.raw.get("tm")
        found = codec.parse_json(carried) if isinstance(carried, str) else None
        if not isinstance(found, dict):
            return {}
        return {name: value for name, value in found.items() if isinstance(value, str)}

    @property
    def _duration_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    def _line(self, text: object) -> str:
        self._refuse_late()
        return str(text)[:MAX_LOG_LINE].encode("utf-8", "backslashreplace").decode()

    def _progress_json(self, value: Any) -> str:
        self._refuse_late()
        value_json = codec.to_json(value)
        journal.progress(self.queue, self.id, value_json)
        return value_json

    def _data_json(self, data: Any) -> str:
        self._refuse_late()
        return codec.to_json(data)

    def _told(self, event: str, fields: Mapping[str, Any]) -> list[str]:
        self._refuse_late()
        return notice(event, fields)

    def _refuse_late(self) -> None:
        """Another run may be under way by now; this one must not write into it."""
        if self._given_up:
            raise TorilError("This run was given up: its time was over, or the worker has stopped.")


class Job(JobFacts[D]):
    """For async processors. While Redis is away a report waits for it. JobNotFound: the job was removed meanwhile."""

    __slots__ = ()

    async def log(self, text: object) -> None:
        """Add a line to the job's log."""
        await self._reporter.log(self._line(text))

    async def progress(self, value: Any) -> None:
        """Report a number or anything JSON can say; each report replaces the last."""
        await self._reporter.progress(self._progress_json(value))

    async def update_data(self, data: Any) -> None:
        """Store other data in the job's place, as JSON: its next run finds it. `job.data` stays as it is."""
        await self._reporter.update_data(self._data_json(data))

    async def notify(self, event: str, /, **fields: Any) -> None:
        """Tell whoever follows the queue's events, here and in Node: `notify("message:updated", messageId=message.id)`.

        Ids, no payloads: at most 8 KB. Raises InvalidInput for a name or a field that BullMQ or a message has itself.
        """
        await self._reporter.notify(self._told(event, fields))

    async def children_values(self) -> Mapping[str, Any]:
        """What the job's finished children returned, by their key `<prefix>:<queue>:<id>`."""
        return await self._reporter.children()


class PlainJob(JobFacts[D]):
    """The same for plain functions, which run in threads or processes: nothing is awaited."""

    __slots__ = ("_loop",)

    def __init__(
        self,
        taken: TakenJob,
        queue: str,
        data: D,
        reporter: Reporter,
        timeout_s: float | None = None,
        worker: str = "",
    ) -> None:
        super().__init__(taken, queue, data, reporter, timeout_s, worker)
        self._loop = asyncio.get_running_loop()

    def log(self, text: object) -> None:
        """Add a line to the job's log."""
        self._wait_for(self._reporter.log(self._line(text)))

    def progress(self, value: Any) -> None:
        """Report a number or anything JSON can say; each report replaces the last."""
        self._wait_for(self._reporter.progress(self._progress_json(value)))

    def update_data(self, data: Any) -> None:
        """Store other data in the job's place, as JSON: its next run finds it. `job.data` stays as it is."""
        self._wait_for(self._reporter.update_data(self._data_json(data)))

    def notify(self, event: str, /, **fields: Any) -> None:
        """Tell whoever follows the queue's events, here and in Node: `notify("message:updated", messageId=message.id)`.

        Ids, no payloads: at most 8 KB. Raises InvalidInput for a name or a field that BullMQ or a message has itself.
        """
        self._wait_for(self._reporter.notify(self._told(event, fields)))

    def children_values(self) -> Mapping[str, Any]:
        """What the job's finished children returned, by their key `<prefix>:<queue>:<id>`."""
        found: Mapping[str, Any] = self._wait_for(self._reporter.children())
        return found

    def _wait_for(self, reporting: Coroutine[Any, Any, Any]) -> Any:
        try:
            answer = asyncio.run_coroutine_threadsafe(reporting, self._loop)
        except RuntimeError:
            reporting.close()
            raise _stopped() from None
        try:
            return answer.result()
        except concurrent.futures.CancelledError:
            raise _stopped() from None


def _stopped() -> TorilError:
    return TorilError("The worker has stopped; this job was handed back to its queue.")


def read_json(raw: bytes) -> Any:
    """A job's data as it is where no model is declared. Raises ValueError with a sentence."""
    try:
        return codec.from_json(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The job's data in Redis is not JSON: {error}.") from None
