"""`run_until_empty` on a real queue: a real worker runs what is there, until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from queues import processors, queue
from queues.protocol.blocking import close_blocking
from queues.states import State
from queues.testing import RunUntilEmpty
from tests.working import Sight

Processor = Callable[..., Any]


@pytest.fixture
def processor(connection: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processor]:
    own = processors.Registry()
    monkeypatch.setattr(processors, "registry", own)
    yield own.processor
    close_blocking()


@pytest.fixture
def sight(client_of_redis: redis.Redis, prefix: str) -> Sight:
    return Sight(client_of_redis, prefix, "mails")


async def test_it_runs_what_is_there_and_what_that_adds(
    processor: Processor, run_until_empty: RunUntilEmpty, sight: Sight
) -> None:
    @processor("mails")
    async def send(job: Any) -> Any:
        if job.data:
            await queue("mails").add("next", job.data - 1)
        return job.data

    await queue("mails").add("welcome", 2)
    ran = await run_until_empty()
    assert [(job.queue, job.name, job.result) for job in ran.completed] == [
        ("mails", "welcome", 2),
        ("mails", "next", 1),
        ("mails", "next", 0),
    ]
    assert sight.ids("wait") == []
    sight.assert_all_over()


def test_without_a_loop_too(processor: Processor, run_until_empty: RunUntilEmpty) -> None:
    @processor("mails")
    def send(job: Any) -> Any:
        return job.data

    queue("mails").sync.add("welcome", 2)
    assert [job.result for job in run_until_empty().completed] == [2]
    assert run_until_empty().completed == []


async def test_delayed_jobs_and_attempts_run_when_asked_for(
    processor: Processor, run_until_empty: RunUntilEmpty, sight: Sight
) -> None:
    @processor("mails")
    async def send(job: Any) -> int:
        if job.attempt < 3:
            raise OSError("busy")
        return int(job.attempt)

    await queue("mails").add("late", delay_ms=3_600_000)
    await queue("mails").add("welcome", attempts=3, backoff=3_600_000)
    assert (await run_until_empty(raises=False)).completed == []
    assert len(sight.ids("delayed")) == 2
    ran = await run_until_empty(delayed=True, raises=False)
    assert [(job.name, job.result) for job in ran.completed] == [("welcome", 3)]
    assert [(job.name, job.failed_reason, type(job.error)) for job in ran.failed] == [("late", "busy", OSError)]


async def test_what_a_processor_raised_comes_out(processor: Processor, run_until_empty: RunUntilEmpty) -> None:
    @processor("mails")
    async def send(job: Any) -> None:
        raise LookupError("no such address")

    job = await queue("mails").add("welcome")
    with pytest.raises(LookupError, match="no such address"):
        await run_until_empty()
    assert await job.state() is State.FAILED


async def test_jobs_that_are_removed_when_they_end_are_told_too(
    processor: Processor, run_until_empty: RunUntilEmpty
) -> None:
    processor("mails")(lambda job: 1)
    await queue("mails").add("welcome", remove_on_complete=True)
    assert len((await run_until_empty()).completed) == 1


async def test_what_cannot_be_run_in_time_is_named(processor: Processor, run_until_empty: RunUntilEmpty) -> None:
    processor("mails")(lambda job: 1)
    await queue("mails").pause()
    await queue("mails").add("welcome")
    with pytest.raises(AssertionError, match=r"still jobs: mails 1 waiting \(paused\)"):
        await run_until_empty(timeout_s=0.1)


async def test_only_the_named_queues_run(processor: Processor, run_until_empty: RunUntilEmpty) -> None:
    for name in ("mails", "chat"):
        processor(name)(lambda job: job.queue)
        await queue(name).add("any")
    assert [job.queue for job in (await run_until_empty("chat")).completed] == ["chat"]


@pytest.mark.django_db(transaction=True)
def test_plain_processors_find_what_the_test_committed(processor: Processor, run_until_empty: RunUntilEmpty) -> None:
    @processor("mails")
    def send(job: Any) -> int:
        return User.objects.filter(username=job.data).count()

    User.objects.create_user("ana")
    queue("mails").sync.add("welcome", "ana")
    assert [job.result for job in run_until_empty().completed] == [1]


def test_a_test_that_changes_the_setting_has_queues_of_its_own_and_the_next_one_the_programs(
    connection: str, client_of_redis: redis.Redis, prefix: str
) -> None:
    queue("mails").sync.add("welcome")
    own = dict(settings.TORIL["CONNECTIONS"]["default"]) | {"PREFIX": f"{prefix}-own"}
    with override_settings(TORIL={"CONNECTIONS": {"default": own}}):
        assert queue("mails").sync.counts()[State.WAITING] == 0
        queue("mails").sync.add("welcome")
        assert client_of_redis.llen(f"{prefix}-own:mails:wait") == 1
        queue("mails").sync.obliterate()
    assert queue("mails").sync.counts()[State.WAITING] == 1
    close_blocking()
