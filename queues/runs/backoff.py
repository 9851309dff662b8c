"""Whether a failed run is followed by another attempt, and when: as BullMQ reckons it, or as the processor's own
function says.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import sync_to_async

from queues.errors import TorilError
from queues.runs.execution import Execution
from queues.runs.outcome import MAX_REASON, YEAR_MS, Failed, reason_of, safe

#: `function(attempts_made, error, job)` → milliseconds, or -1 for no further attempt; sync or async.
Custom = Callable[[int, BaseException, Any], Any]
BUILT_IN = ("fixed", "exponential")
#: The slot waits for a custom backoff; one that does not answer must not keep it.
CUSTOM_S = 5.0


class NoBackoff(Exception):
    """The job is not tried again; the message says why."""


async def next_attempt(run: Execution, failed: Failed, max_starts: int | None = None) -> tuple[str, int | None]:
    """The reason to store, and in how many milliseconds the next attempt is due: at once (0), or never (None).

    To be asked once: a backoff may be random, or take its time.
    """
    taken, reason = run.taken, failed.reason
    is_last = taken.attempts_made + 1 >= taken.attempts
    if not failed.may_retry or is_last or (max_starts is not None and taken.attempts_started >= max_starts):
        return reason, None
    error = failed.error or TorilError(reason)
    custom = run.processor.backoff if run.processor is not None else None
    try:
        return reason, await next_delay_ms(taken.options.backoff, taken.attempts_made + 1, error, run.job, custom)
    except NoBackoff as problem:
        return safe(f"{reason} (not tried again: {problem})", MAX_REASON), None


async def next_delay_ms(
    backoff: Mapping[str, Any] | None, attempts_made: int, error: BaseException, job: Any, custom: Custom | None
) -> int | None:
    """Milliseconds before the next attempt, `attempts_made` having failed; None where `custom` wants none.

    `custom` decides for every job whose backoff is not of BullMQ's own kinds. Raises NoBackoff.
    """
    if backoff is not None and backoff.get("type") in BUILT_IN:
        return delay_ms(backoff, attempts_made)
    if custom is not None:
        return await _ask(custom, attempts_made, error, job)
    if backoff is None:
        return 0
    raise NoBackoff(f"its backoff is {backoff.get('type')!r:.100}, which is not a kind that this worker knows")


def delay_ms(backoff: Mapping[str, Any], attempts_made: int) -> int:
    """fixed: delay; exponential: delay · 2^(attempts_made - 1). Jitter 0.3 takes up to 30 % off, at random."""
    delay = _number(backoff.get("delay"))
    if backoff.get("type") == "exponential":
        delay *= 2 ** min(attempts_made - 1, 60)
    jitter = min(_number(backoff.get("jitter")), 1.0)
    return int(min(round(delay - random.random() * delay * jitter), YEAR_MS))  # noqa: S311  # spreads load, guards nothing


async def _ask(custom: Custom, attempts_made: int, error: BaseException, job: Any) -> int | None:
    # In a task of its own, so that whatever it raises, a cancellation too, is told from one of the slot's.
    asking = asyncio.create_task(_answer(custom, attempts_made, error, job))
    try:
        await asyncio.wait({asking}, timeout=CUSTOM_S)
    finally:
        asking.cancel()
    if not asking.done():
        raise NoBackoff(f"its backoff did not answer within {CUSTOM_S:g} s")
    if asking.cancelled():
        raise NoBackoff("its backoff was cancelled")
    answer = asking.result()
    if isinstance(answer, BaseException):
        raise NoBackoff(f"its backoff raised {type(answer).__name__}: {reason_of(answer)}")
    if isinstance(answer, bool) or not isinstance(answer, int | float) or answer != answer:
        raise NoBackoff(f"its backoff answered {answer!r:.100} instead of milliseconds")
    return None if answer < 0 else round(min(answer, YEAR_MS))


async def _answer(custom: Custom, attempts_made: int, error: BaseException, job: Any) -> Any:
    try:
        if inspect.iscoroutinefunction(custom):
            return await custom(attempts_made, error, job)
        # It may block, and look something up: where the async ORM works, so that the loop goes on.
        answer = await sync_to_async(_plain)(custom, attempts_made, error, job)
        return await answer if inspect.isawaitable(answer) else answer
    except BaseException as raised:
        return raised


def _plain(custom: Custom, *facts: Any) -> Any:
    # What it raises is brought back as a value: a CancelledError would pass for one of the slot's.
    try:
        return custom(*facts)
    except BaseException as raised:
        return raised


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return 0.0
    return float(min(value, YEAR_MS))
