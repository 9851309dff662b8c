"""Inside a transaction: the handle at once, the job on commit, nothing after a rollback."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.test import TestCase

from queues import queue
from queues.errors import InvalidInput, NotCommitted, RedisUnavailable
from queues.options import reset_options
from queues.protocol.blocking import close_blocking
from queues.protocol.keys import Keys
from queues.states import State
from tests.conftest import RedisServer

pytestmark = pytest.mark.django_db(transaction=True, databases=["default"])


@pytest.fixture(autouse=True)
def _no_idle_connections():
    yield
    close_blocking()


@pytest.fixture
def waiting(connection, client_of_redis, prefix):
    """How many jobs wait in the queue."""
    return lambda: client_of_redis.llen(Keys(prefix, "chat")("wait"))


def test_a_job_is_written_when_its_transaction_commits(waiting):
    with transaction.atomic():
        job = queue("chat").sync.add("greet", {"n": 1})
        assert UUID(job.id)
        assert not job.is_written
        assert waiting() == 0
    assert job.is_written
    assert waiting() == 1
    found = job.sync.refresh()
    assert (found.id, found.data) == (job.id, {"n": 1})
    assert "jobId" not in found.options


def test_a_rollback_writes_nothing_for_good(waiting):
    with transaction.atomic():
        job = queue("chat").sync.add("greet")
        queue("chat").sync.add_bulk([{"name": "x"}] * 3)
        queue("chat").sync.add_flow("p", children=[{"name": "c"}])
        transaction.set_rollback(True)
    assert waiting() == 0
    assert not job.is_written
    with pytest.raises(NotCommitted, match="rolled back"):
        job.sync.result(1)


def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(waiting):
    with transaction.atomic():
        kept = queue("chat").sync.add("kept")
        with transaction.atomic():
            queue("chat").sync.add("lost")
            transaction.set_rollback(True)
    assert waiting() == 1
    assert kept.is_written


@pytest.mark.parametrize("ask", ["result", "state", "refresh", "remove", "retry", "logs"])
def test_nothing_can_be_asked_of_a_job_before_the_commit(waiting, ask: str):
    with transaction.atomic():
        job = queue("chat").sync.add("greet")
        with pytest.raises(NotCommitted, match="not committed"):
            getattr(job.sync, ask)()
        transaction.set_rollback(True)


def test_an_id_of_ones_own_is_kept(waiting):
    with transaction.atomic():
        job = queue("chat").sync.add("greet", job_id="mine")
        assert job.id == "mine"
    assert job.sync.refresh().options["jobId"] == "mine"


def test_where_another_job_stands_in_its_place_the_handle_is_that_jobs(waiting):
    first = queue("chat").sync.add("greet", deduplication="one")
    with transaction.atomic():
        second = queue("chat").sync.add("greet", deduplication="one")
        assert second.id != first.id
    assert second.id == first.id


def test_many_jobs_and_flows_are_written_on_commit(waiting):
    with transaction.atomic():
        many = queue("chat").sync.add_bulk([{"name": f"n{n}"} for n in range(3)])
        flow = queue("chat").sync.add_flow("p", children=[{"name": "c"}])
        assert waiting() == 0
    assert waiting() == 4
    assert all(job.is_written for job in many)
    assert flow.job.sync.state() is State.WAITING_CHILDREN
    assert flow.children[0].job.sync.state() is State.WAITING


def test_what_is_wrong_is_said_at_once_and_not_on_commit(waiting):
    with transaction.atomic(), pytest.raises(InvalidInput):
        queue("chat").sync.add("greet", priority=-1)


def test_a_job_can_be_written_before_the_commit(waiting):
    with transaction.atomic():
        job = queue("chat").sync.add("greet", on_commit=False)
        assert (job.id, waiting()) == ("1", 1)
        queue("chat").sync.add_bulk([{"name": "x"}], on_commit=False)
        queue("chat").sync.add_flow("p", children=[{"name": "c"}], on_commit=False)
        assert waiting() == 3
        transaction.set_rollback(True)
    assert waiting() == 3


def test_a_database_that_is_not_in_a_transaction_can_be_named(waiting):
    with transaction.atomic():
        assert not queue("chat").sync.add("greet", using="default").is_written
    assert queue("chat").sync.add("greet", using="default").is_written


async def test_code_that_awaits_below_a_transaction_waits_for_it_too(waiting):
    async def work() -> Any:
        return await queue("chat").add("greet")

    def view() -> Any:
        with transaction.atomic():
            jobs = [async_to_sync(work)(), async_to_sync(queue("chat").add)("greet")]
            assert [job.is_written for job in jobs] == [False, False]
            assert waiting() == 0
        return jobs

    jobs = await sync_to_async(view)()
    assert all(job.is_written for job in jobs)
    assert waiting() == 2


async def test_a_transaction_of_another_thread_is_no_matter(waiting):
    began, done = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        with transaction.atomic():
            loop.call_soon_threadsafe(began.set)
            asyncio.run_coroutine_threadsafe(done.wait(), loop).result(10)

    holding = asyncio.create_task(sync_to_async(hold, thread_sensitive=False)())
    await began.wait()
    assert (await queue("chat").add("greet")).is_written
    done.set()
    await holding


def test_a_write_that_fails_on_commit_is_logged_and_raised(own_redis: RedisServer, settings, caplog):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "gone"}}}
    reset_options()
    own_redis.stop()
    with caplog.at_level(logging.ERROR), pytest.raises(RedisUnavailable), transaction.atomic():
        job = queue("chat").sync.add("greet")
    assert f"The transaction was committed, but job “{job.id}” of queue “chat” was not added." in caplog.text
    assert not job.is_written
    reset_options()


class InATestCase(TestCase):
    """The block in which Django wraps each test is no transaction of the program's."""

    def test_a_job_is_written_at_once(self):
        assert queue("chat").sync.add("greet").is_written

    def test_a_transaction_of_the_programs_own_is_waited_for(self):
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            job = queue("chat").sync.add("greet")
            assert not job.is_written
        assert job.is_written


@pytest.fixture(autouse=True)
def _connected(request):
    if request.cls is InATestCase:
        request.getfixturevalue("connection")


async def test_a_task_that_outlives_the_plain_code_below_it_adds_at_once(waiting):
    tasks: list[asyncio.Task[Any]] = []
    gone = asyncio.Event()

    async def later() -> Any:
        await gone.wait()
        return await queue("chat").add("greet")

    async def spawn() -> None:
        tasks.append(asyncio.create_task(later()))

    def view() -> None:
        with transaction.atomic():
            async_to_sync(spawn)()

    await sync_to_async(view)()
    gone.set()
    assert (await tasks[0]).is_written


@pytest.mark.django_db(transaction=False)
def test_a_pytest_test_with_a_database_is_no_transaction_either(waiting, django_capture_on_commit_callbacks):
    assert queue("chat").sync.add("greet").is_written
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        job = queue("chat").sync.add("greet")
        assert not job.is_written
    assert job.is_written
    assert waiting() == 2
