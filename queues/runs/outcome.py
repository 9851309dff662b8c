"""What became of one run of a job, as text that is safe to store."""

from __future__ import annotations

import inspect
import traceback
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from queues.errors import DelayedError, RateLimitError, TorilError, UnrecoverableError, WaitingChildrenError
from queues.protocol import codec
from queues.protocol.taken import TakenJob

#: A reason lies in the hash, in the stack and in the event stream: three times.
MAX_REASON = 4_000
MAX_TRACE = 8_000
MAX_FRAMES = 40
#: All attempts' stacks together; the oldest go first.
MAX_STACK = 32_000
YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Completed:
    value_json: str


@dataclass(frozen=True, slots=True)
class Failed:
    """`may_retry` is False where another attempt cannot help: it fails for good whatever attempts are left.

    `error` is what the processor raised, for a backoff of its own; it goes with the run.
    """

    reason: str
    trace: str
    may_retry: bool = True
    error: BaseException | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Delayed:
    """The processor asked to be run again in so long; no attempt is counted."""

    delay_ms: int

    @property
    def words(self) -> str:
        return f"in {self.delay_ms} ms"


@dataclass(frozen=True, slots=True)
class WaitsForChildren:
    """The processor asked to be run again when the job's children are done; no attempt is counted."""


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The processor asked that no job of the queue starts for so long; no attempt is counted."""

    duration_ms: int

    @property
    def words(self) -> str:
        return f"when the queue's rate limit of {self.duration_ms} ms is over"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The worker stopped before the job was done: it goes back to the queue, no attempt is counted."""


Outcome = Completed | Failed | Unfinished | Delayed | WaitsForChildren | RateLimited


def of_result(result: Any) -> Outcome:
    """A processor's return value. What JSON cannot say fails the job for good: another attempt returns the same."""
    if inspect.iscoroutine(result):
        result.close()
        return refusal("The processor is a plain function but returned a coroutine; declare it with “async def”.")
    try:
        return Completed(codec.to_json(result))
    except (TypeError, ValueError, RecursionError) as error:
        return refusal(f"The processor's result cannot be written as JSON: {_words(error)}")


def of_error(error: BaseException) -> Outcome:
    """Whatever a processor raised, BaseExceptions included. Never raises."""
    if isinstance(error, TorilError) or _is_bullmqs(error):
        moved = _of_request(error)
        if moved is not None:
            return moved
    return Failed(reason_of(error), trace_of(error), may_retry=not is_unrecoverable(error), error=error)


def _of_request(error: BaseException) -> Outcome | None:
    """What an error by which a processor moves its own job asks for; None for any other, and for one that says no time:
    to run the job again at once would be for ever.
    """
    name = type(error).__name__ if _is_bullmqs(error) else ""
    if isinstance(error, DelayedError) or name == "DelayedError":
        asked = getattr(error, "delay_ms", 0)
        return Delayed(_milliseconds(asked)) if _is_number(asked) else None
    if isinstance(error, WaitingChildrenError) or name == "WaitingChildrenError":
        return WaitsForChildren()
    if isinstance(error, RateLimitError) and _is_number(error.duration_ms):
        return RateLimited(max(1, _milliseconds(error.duration_ms)))
    return None


def _is_bullmqs(error: BaseException) -> bool:
    # Not by the name alone: half the world's client libraries have a RateLimitError of their own.
    return type(error).__module__.partition(".")[0] == "bullmq"


def _milliseconds(value: float) -> int:
    """A processor's number as a script can take it: whole, not negative, a year at most."""
    return round(min(value, YEAR_MS)) if value > 0 else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def refusal(sentence: str) -> Failed:
    """A failure for good that no exception caused."""
    text = safe(sentence, MAX_REASON)
    return Failed(text, text, may_retry=False)


def refusal_of(taken: TakenJob, most_starts: int | None) -> Failed | None:
    """Why the job is not run at all, in BullMQ's words; None where it is."""
    if taken.deferred_failure:
        return refusal(taken.deferred_failure)
    if most_starts is not None and taken.attempts_started > most_starts:
        return refusal("job started more than allowable limit")
    return None


def reason_of(error: BaseException) -> str:
    """The error's message, or its type where it has none (a KeyError's message alone says too little)."""
    words, kind = _words(error), type(error).__name__
    if not words.strip():
        return kind
    return safe(f"{kind}: {words}" if isinstance(error, KeyError) else words, MAX_REASON)


def trace_of(error: BaseException) -> str:
    """The traceback from the processor on, the last frames where there are many."""
    try:
        lines = traceback.format_exception(type(error), error, _own_frames(error), limit=-MAX_FRAMES)
        return safe("".join(lines), MAX_TRACE)
    except Exception:
        return f"{type(error).__name__} (its traceback cannot be drawn)"


def is_unrecoverable(error: BaseException) -> bool:
    """By type, or by a type of that name: bullmq's own, or a team's (as Node decides)."""
    return isinstance(error, UnrecoverableError) or any(
        kind.__name__ == "UnrecoverableError" for kind in type(error).__mro__
    )


def safe(text: str, limit: int) -> str:
    """Text that Redis, JSON and SQL all take: no half surrogate, no NUL, cut in the middle to `limit` characters."""
    if len(text) > limit:
        head = limit * 2 // 3
        text = f"{text[:head]}\n… cut, {len(text):,} characters in all …\n{text[head - limit :]}"
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def stack(earlier: list[str], trace: str, limit: int | None) -> list[str]:
    """The job's stacks with the newest, as the job's stackTraceLimit and our own bound allow."""
    traces = [*earlier, trace]
    if limit is not None:
        traces = traces[-limit:] if limit > 0 else []
    while len(traces) > 1 and sum(map(len, traces)) > MAX_STACK:
        traces.pop(0)
    return traces


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return f"{type(error).__name__} (its message cannot be read)"


def _own_frames(error: BaseException) -> TracebackType | None:
    """Without the worker's own frames, and those of a task's runner, which come first."""
    frames, own = error.__traceback__, ("queues.runs.", "queues.worker.", "queues.tasks.")
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(own):
        frames = frames.tb_next
    return frames or error.__traceback__
