"""How long a failed attempt waits: as BullMQ reckons it, or as a function says."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from queues.runs import backoff
from queues.runs.backoff import NoBackoff, delay_ms, next_delay_ms
from queues.runs.outcome import YEAR_MS

ERROR = ValueError("boom")


@pytest.mark.parametrize(
    ("given", "attempts_made", "expected"),
    [
        ({"type": "fixed", "delay": 500}, 3, 500),
        ({"type": "exponential", "delay": 1000}, 1, 1000),
        ({"type": "exponential", "delay": 1000}, 4, 8000),
        ({"type": "exponential", "delay": 1000}, 5000, YEAR_MS),
        ({"type": "exponential", "delay": 1e300}, 100, YEAR_MS),
        ({"type": "fixed", "delay": 10**400, "jitter": 0}, 1, YEAR_MS),
        ({"type": "fixed", "delay": "soon"}, 1, 0),
        ({"type": "fixed", "delay": -5}, 1, 0),
    ],
)
async def test_bullmqs_own_kinds_as_bullmq_reckons_them(given, attempts_made, expected):
    assert delay_ms(given, attempts_made) == expected
    # A function of the processor's own changes nothing about them.
    assert await next_delay_ms(given, attempts_made, ERROR, None, lambda *_: 1) == expected


def test_jitter_takes_its_share_off_at_most():
    delays = {delay_ms({"type": "fixed", "delay": 1000, "jitter": 0.3}, 1) for _ in range(300)}
    assert min(delays) >= 700
    assert max(delays) <= 1000
    assert len(delays) > 50


async def test_without_a_backoff_the_next_attempt_is_at_once():
    assert await next_delay_ms(None, 1, ERROR, None, None) == 0


@pytest.mark.parametrize("given", [{"type": "lunar", "delay": 5}, {"delay": 5}, {"type": ["odd"]}])
async def test_a_kind_that_nobody_knows_is_no_backoff(given):
    with pytest.raises(NoBackoff, match="not a kind that this worker knows"):
        await next_delay_ms(given, 1, ERROR, None, None)


@pytest.mark.parametrize("given", [None, {"type": "lunar"}])
@pytest.mark.parametrize(
    ("answer", "expected"), [(250, 250), (0, 0), (0.6, 1), (-1, None), (-7, None), (1e300, YEAR_MS)]
)
async def test_a_function_decides_for_every_other_kind(given, answer, expected):
    asked = []

    def plain(*facts: Any) -> Any:
        asked.append(facts)
        return answer

    async def async_one(*facts: Any) -> Any:
        await asyncio.sleep(0)
        return plain(*facts)

    for function in (plain, async_one):
        assert await next_delay_ms(given, 2, ERROR, "the job", function) == expected
    assert asked == [(2, ERROR, "the job")] * 2


def raises(error: BaseException) -> Any:
    def function(*_: Any) -> Any:
        raise error

    return function


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


async def cancels_itself(*_: Any) -> None:
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (raises(ValueError("odd")), "raised ValueError: odd"),
        (raises(SystemExit(3)), "raised SystemExit: 3"),
        (raises(asyncio.CancelledError()), "raised CancelledError"),
        (raises(GeneratorExit()), "raised GeneratorExit"),
        (cancels_itself, "raised CancelledError"),
        (lambda *_: None, "answered None"),
        (lambda *_: "soon", "answered 'soon'"),
        (lambda *_: True, "answered True"),
        (lambda *_: float("nan"), "answered nan"),
        (lambda: 5, "raised TypeError"),
        (never, "did not answer"),
    ],
)
async def test_a_function_that_does_not_say_how_long_is_no_backoff(monkeypatch, function, words):
    monkeypatch.setattr(backoff, "CUSTOM_S", 0.05)
    with pytest.raises(NoBackoff, match=words):
        await next_delay_ms({"type": "mine"}, 1, ERROR, None, function)


async def test_a_plain_function_may_block_and_the_loop_goes_on_without_it(monkeypatch):
    monkeypatch.setattr(backoff, "CUSTOM_S", 0.05)
    enough = threading.Event()

    def blocks(*_: Any) -> int:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        enough.wait(10)
        return 5

    try:
        with pytest.raises(NoBackoff, match="did not answer"):
            await next_delay_ms(None, 1, ERROR, None, blocks)
    finally:
        enough.set()


async def test_a_slot_that_is_ended_while_it_asks_leaves_nothing_behind():
    asking = asyncio.create_task(next_delay_ms(None, 1, ERROR, None, never))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
