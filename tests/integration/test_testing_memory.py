"""The fixtures for tests of programs that add jobs: captured, run as they are added, run until nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from queues import processors, queue
from queues.errors import (
    DelayedError,
    InvalidInput,
    JobFailed,
    ResultTimeout,
    TorilError,
    UnrecoverableError,
    WaitingChildrenError,
)
from queues.options import reset_options
from queues.producer import carrier
from queues.states import State
from queues.testing import CapturedJobs, InlineJobs, NotInTests, RunUntilEmpty
from queues.testing.carriers import MemoryCarrier

Processor = Callable[..., Any]


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Processor:
    """A decorator as `@processor`, whose functions are known in this test alone."""
    own = processors.Registry()
    monkeypatch.setattr(processors, "registry", own)
    return own.processor


@pytest.fixture(autouse=True)
def _no_redis(settings: Any) -> Any:
    """Whoever asks for Redis here fails."""
    settings.TORIL = {
        "CONNECTIONS": {"default": {"URL": "redis://127.0.0.1:1"}},
        "QUEUES": {"patient": {"attempts": 3}},
    }
    reset_options()
    yield
    reset_options()


# --- captured


async def test_captured_jobs_lie_there_with_their_data_and_options(captured_jobs: CapturedJobs) -> None:
    added = await queue("mails").add("welcome", {"to": ("ana", 1)}, delay_ms=5_000, priority=3)
    await queue("chat").add("hello")

    assert [(job.queue, job.name, job.data) for job in captured_jobs] == [
        ("mails", "welcome", {"to": ["ana", 1]}),
        ("chat", "hello", {}),
    ]
    mail = captured_jobs[0]
    assert (mail.options["delay_ms"], mail.options["priority"], mail.state) == (5_000, 3, State.DELAYED)
    assert mail.id == added.id == "1"
    assert await added.state() is State.DELAYED


def test_captured_jobs_are_found_by_queue_and_name(captured_jobs: CapturedJobs) -> None:
    for name in ("welcome", "bill", "bill"):
        queue("mails").sync.add(name)
    assert captured_jobs.one("mails", "welcome").name == "welcome"
    assert len(captured_jobs.of("mails")) == len(captured_jobs) == 3
    assert len(captured_jobs.of(name="bill")) == 2
    with pytest.raises(AssertionError, match="2 jobs of queue mails are called bill"):
        captured_jobs.one("mails", "bill")
    captured_jobs.clear()
    assert list(captured_jobs) == []


def test_what_add_refuses_is_refused_here_too(captured_jobs: CapturedJobs) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        queue("mails").sync.add("welcome", object())
    assert len(captured_jobs) == 0


def test_an_id_that_is_there_adds_nothing(captured_jobs: CapturedJobs) -> None:
    queue("mails").sync.add("welcome", 1, job_id="ana")
    queue("mails").sync.add("welcome", 2, job_id="ana")
    queue("mails").sync.add("again", 1, deduplication="bob")
    queue("mails").sync.add("again", 2, deduplication="bob")
    assert [(job.id, job.data) for job in captured_jobs] == [("ana", 1), ("1", 1)]


def test_the_queues_settings_are_among_the_options(captured_jobs: CapturedJobs) -> None:
    queue("patient").sync.add("any")
    assert captured_jobs[0].options["attempts"] == 3


@pytest.mark.django_db
def test_a_transaction_that_is_rolled_back_captures_nothing(captured_jobs: CapturedJobs) -> None:
    with transaction.atomic():
        queue("mails").sync.add("welcome")
        transaction.set_rollback(True)
    assert len(captured_jobs) == 0


@pytest.mark.django_db
def test_a_job_of_a_transaction_is_captured_when_that_commits(
    captured_jobs: CapturedJobs, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        queue("mails").sync.add("welcome")
        assert len(captured_jobs) == 0
    assert len(captured_jobs) == 1


async def test_waiting_for_a_captured_jobs_result_ends_at_once(captured_jobs: CapturedJobs) -> None:
    job = await queue("mails").add("welcome")
    with pytest.raises(ResultTimeout):
        await job.result(timeout_s=60)


async def test_what_needs_a_real_queue_says_so(captured_jobs: CapturedJobs) -> None:
    with pytest.raises(NotInTests, match=r"obliterate\(\); use a real queue"):
        await carrier().obliterate("default", "mails", False)
    with pytest.raises(NotInTests, match="events"):
        carrier().events("default", "mails", None)


def test_nothing_stays_installed_after_a_test() -> None:
    assert not isinstance(carrier(), MemoryCarrier)


# --- inline


def test_adding_runs_the_job_with_its_own_processor(queue_inline: InlineJobs, processor: Processor) -> None:
    @processor("mails", name="welcome")
    def send(job: Any) -> Any:
        job.log(f"to {job.data['to']}")
        job.progress({"percent": 50})
        return {"sent": job.data["to"], "attempt": job.attempt}

    added = queue("mails").sync.add("welcome", {"to": "ana"})

    assert added.sync.result() == {"sent": "ana", "attempt": 1}
    job = queue_inline.one("mails")
    assert (job.state, job.logs, job.progress) == (State.COMPLETED, ["to ana"], {"percent": 50})


async def test_async_processors_run_on_the_tests_own_loop(queue_inline: InlineJobs, processor: Processor) -> None:
    loops = []

    @processor("mails")
    async def send(job: Any) -> int:
        loops.append(asyncio.get_running_loop())
        await job.log("sent")
        return len(job.data)

    assert await (await queue("mails").add("welcome", [1, 2])).result() == 2
    assert loops == [asyncio.get_running_loop()]


@pytest.mark.django_db
def test_a_plain_processor_shares_the_tests_thread_and_transaction(
    queue_inline: InlineJobs, processor: Processor
) -> None:
    threads = []

    @processor("users")
    def make(job: Any) -> None:
        threads.append(threading.current_thread())
        User.objects.create_user(job.data)

    queue("users").sync.add("make", "ana")
    assert User.objects.get().username == "ana"
    assert threads == [threading.current_thread()]


@pytest.mark.django_db
def test_an_async_processor_of_a_plain_test_shares_its_transaction(
    queue_inline: InlineJobs, processor: Processor
) -> None:
    @processor("users")
    async def make(job: Any) -> None:
        await User.objects.acreate(username=job.data)

    queue("users").sync.add("make", "ana")
    assert User.objects.get().username == "ana"


def test_what_a_processor_raises_comes_out_of_add(queue_inline: InlineJobs, processor: Processor) -> None:
    @processor("mails")
    def send(job: Any) -> None:
        raise LookupError("no such address")

    with pytest.raises(LookupError, match="no such address"):
        queue("mails").sync.add("welcome")
    assert queue_inline.one().state is State.FAILED


def test_or_the_job_fails_as_it_would_with_a_worker(queue_inline: InlineJobs, processor: Processor) -> None:
    @processor("mails")
    def send(job: Any) -> None:
        raise LookupError("no such address")

    queue_inline.raises = False
    added = queue("mails").sync.add("welcome")
    with pytest.raises(JobFailed, match="no such address"):
        added.sync.result()
    assert [job.failed_reason for job in queue_inline.failed] == ["no such address"]
    assert isinstance(queue_inline.failed[0].error, LookupError)


def test_a_job_that_no_processor_takes_fails_by_name(queue_inline: InlineJobs, processor: Processor) -> None:
    with pytest.raises(JobFailed, match="no processor for “welcome” in queue “mails”"):
        queue("mails").sync.add("welcome")


def test_attempts_follow_each_other_without_a_pause(queue_inline: InlineJobs, processor: Processor) -> None:
    seen = []

    @processor("mails")
    def send(job: Any) -> str:
        seen.append((job.attempt, len(job.earlier_traces)))
        if job.attempt < 3:
            raise OSError("busy")
        return "sent"

    added = queue("mails").sync.add("welcome", attempts=3, backoff=3_600_000, delay_ms=3_600_000)
    assert added.sync.result() == "sent"
    assert seen == [(1, 0), (2, 1), (3, 2)]


def test_an_unrecoverable_error_ends_the_attempts(queue_inline: InlineJobs, processor: Processor) -> None:
    @processor("mails")
    def send(job: Any) -> None:
        raise UnrecoverableError("never")

    with pytest.raises(UnrecoverableError):
        queue("mails").sync.add("welcome", attempts=5)
    assert queue_inline.one().attempts_made == 1


def test_a_job_that_a_job_adds_runs_after_it(queue_inline: InlineJobs, processor: Processor) -> None:
    order = []

    @processor("outer")
    def outer(job: Any) -> None:
        queue("inner").sync.add("any")
        order.append("outer")

    @processor("inner")
    async def inner(job: Any) -> None:
        order.append("inner")

    queue("outer").sync.add("any")
    assert order == ["outer", "inner"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_job_may_wait_for_the_result_of_another(
    queue_inline: InlineJobs, processor: Processor, is_async: bool
) -> None:
    @processor("inner")
    def inner(job: Any) -> int:
        return 42

    def outer(job: Any) -> Any:
        return queue("inner").sync.add("any").sync.result()

    async def async_outer(job: Any) -> Any:
        return await (await queue("inner").add("any")).result()

    processor("outer")(async_outer if is_async else outer)
    assert queue("outer").sync.add("any").sync.result() == 42


async def test_jobs_added_at_the_same_time_have_all_run(queue_inline: InlineJobs, processor: Processor) -> None:
    @processor("mails")
    async def send(job: Any) -> Any:
        await asyncio.sleep(0)
        return job.data

    added = await asyncio.gather(*(queue("mails").add("welcome", number) for number in range(5)))
    assert [await job.result() for job in added] == list(range(5))


async def test_adding_waits_for_a_job_that_another_task_runs(queue_inline: InlineJobs, processor: Processor) -> None:
    began = {name: asyncio.Event() for name in ("outer", "inner", "own")}
    may_end = {name: asyncio.Event() for name in began}
    ended: list[str] = []

    async def work(job: Any) -> None:
        if job.queue == "outer":
            await queue("inner").add("any")
        began[job.queue].set()
        await may_end[job.queue].wait()
        ended.append(job.queue)

    async def add_own() -> list[str]:
        await queue("own").add("any")
        return list(ended)

    for name in began:
        processor(name)(work)
    async with asyncio.timeout(5):
        first = asyncio.create_task(queue("outer").add("any"))
        await began["outer"].wait()
        # It finds the inner job first and runs that; its own is left to the other task.
        second = asyncio.create_task(add_own())
        await began["inner"].wait()
        may_end["outer"].set()
        await began["own"].wait()
        may_end["inner"].set()
        for _ in range(20):
            await asyncio.sleep(0)
        may_end["own"].set()
        assert "own" in await second
        await first


def test_a_job_can_put_itself_off(queue_inline: InlineJobs, processor: Processor) -> None:
    runs = []

    @processor("mails")
    def send(job: Any) -> None:
        runs.append(job.attempt)
        if len(runs) < 3:
            raise DelayedError(60_000)

    queue("mails").sync.add("welcome")
    assert runs == [1, 1, 1]


def test_a_job_that_never_ends_ends_the_test(
    queue_inline: InlineJobs, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queues.testing.carriers.MOST_RUNS", 20)

    @processor("mails")
    def send(job: Any) -> None:
        raise DelayedError(1)

    with pytest.raises(TorilError, match="After 20 runs"):
        queue("mails").sync.add("welcome")


def test_data_is_validated_as_by_a_worker(queue_inline: InlineJobs, processor: Processor) -> None:
    @dataclass
    class Mail:
        to: str

    @processor("mails", data=Mail)
    def send(job: Any) -> str:
        return str(job.data.to)

    assert queue("mails").sync.add("welcome", {"to": "ana"}).sync.result() == "ana"
    with pytest.raises(JobFailed, match="to"):
        queue("mails").sync.add("welcome", {"to": 1})


def test_a_time_limit_holds(queue_inline: InlineJobs, processor: Processor) -> None:
    @processor("mails", timeout_s=0.05)
    async def send(job: Any) -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError, match=r"longer than its 0\.05 s"):
        queue("mails").sync.add("welcome")


def test_a_parent_runs_after_its_children_with_their_results(queue_inline: InlineJobs, processor: Processor) -> None:
    @processor("pages")
    def page(job: Any) -> Any:
        return job.data * 2

    @processor("reports")
    def report(job: Any) -> Any:
        return sorted(job.children_values().values())

    @processor("late")
    def late(job: Any) -> Any:
        if not job.children_values():
            queue("pages").sync.add("page", 5, parent=_address(job))
            raise WaitingChildrenError
        return list(job.children_values().values())

    pages = [{"queue": "pages", "name": "page", "data": number} for number in (1, 2)]
    flow = queue("reports").sync.add_flow("monthly", children=pages)
    assert flow.job.sync.result() == [2, 4]
    assert queue("late").sync.add("any").sync.result() == [10]


def _address(job: Any) -> Any:
    from queues.producer import JobHandle

    return JobHandle("default", job.queue, job.id)


def test_both_at_once_are_refused(captured_jobs: CapturedJobs, request: pytest.FixtureRequest) -> None:
    with pytest.raises(pytest.UsageError, match="not both"):
        request.getfixturevalue("queue_inline")


# --- until empty


def test_captured_jobs_are_run_when_told_to(
    captured_jobs: CapturedJobs, run_until_empty: RunUntilEmpty, processor: Processor
) -> None:
    @processor("mails")
    def send(job: Any) -> Any:
        if job.data:
            queue("mails").sync.add("next", job.data - 1)
        return job.data

    queue("mails").sync.add("welcome", 2)
    queue("mails").sync.add("late", 0, delay_ms=60_000)
    ran = run_until_empty()
    assert [(job.name, job.result) for job in ran.completed] == [("welcome", 2), ("next", 1), ("next", 0)]
    assert [job.name for job in run_until_empty(delayed=True).completed] == ["late"]
    assert run_until_empty(delayed=True).completed == []


async def test_it_is_awaited_in_an_async_test(
    captured_jobs: CapturedJobs, run_until_empty: RunUntilEmpty, processor: Processor
) -> None:
    @processor("mails")
    async def send(job: Any) -> None:
        raise LookupError("no such address")

    await queue("mails").add("welcome")
    ran = await run_until_empty(raises=False)
    assert [(job.failed_reason, type(job.error)) for job in ran.failed] == [("no such address", LookupError)]
    await queue("mails").add("welcome")
    with pytest.raises(LookupError):
        await run_until_empty()


def test_jobs_run_in_the_order_of_a_worker(
    captured_jobs: CapturedJobs, run_until_empty: RunUntilEmpty, processor: Processor
) -> None:
    @processor("mails")
    def send(job: Any) -> None:
        pass

    door = queue("mails").sync
    door.add("5", priority=5)
    door.add("first")
    door.add("1", priority=1)
    door.add("second")
    door.add("lifo", lifo=True)
    assert [job.name for job in run_until_empty().completed] == ["lifo", "first", "second", "1", "5"]


def test_only_the_named_queues_run_and_no_paused_one(
    captured_jobs: CapturedJobs, run_until_empty: RunUntilEmpty, processor: Processor
) -> None:
    for name in ("mails", "chat", "paused"):
        processor(name)(lambda job: None)
        queue(name).sync.add(name)
    queue("paused").sync.pause()
    assert [job.queue for job in run_until_empty("chat").completed] == ["chat"]
    assert [job.queue for job in run_until_empty().completed] == ["mails"]


def test_a_failed_attempt_waits_for_its_next_as_it_says(
    captured_jobs: CapturedJobs, run_until_empty: RunUntilEmpty, processor: Processor
) -> None:
    @processor("patient")
    def send(job: Any) -> None:
        if job.attempt < 3:
            raise OSError("busy")

    queue("patient").sync.add("backoff", backoff=60_000)
    assert run_until_empty().completed == []
    assert captured_jobs.one().state is State.DELAYED
    assert len(run_until_empty(delayed=True).completed) == 1
