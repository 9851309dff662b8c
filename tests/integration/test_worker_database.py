"""Processors and the database: connections are fresh before a job, closed after, and none outlives the worker."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection as database
from django.db import connections, transaction
from django.db.backends.signals import connection_created

from queues import queue
from tests.eventually import eventually
from tests.working import working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened():
    """Every database connection opened in a job thread: its wrapper, to be asked whether it is closed."""
    found: list[Any] = []

    def note(sender, connection, **_):
        if threading.current_thread().name.startswith("job thread"):
            found.append(connection)

    connection_created.connect(note)
    yield found
    connection_created.disconnect(note)


async def add_many(count: int) -> None:
    await asyncio.gather(*(queue("chat").add("x", {"n": n}) for n in range(count)))


async def test_threads_share_no_connection_and_leave_none_open(connection, sight, opened):
    def save(job):
        User.objects.create(username=f"user {job.data['n']}")

    async with working(save, concurrency=4):
        await add_many(40)
        await sight.until_count("completed", 40, timeout_s=20)
        # CONN_MAX_AGE is 0: after its job a thread holds none.
        await eventually(lambda: all(wrapper.connection is None for wrapper in opened))
    assert await User.objects.acount() == 40
    assert opened
    assert all(wrapper.connection is None for wrapper in opened)


async def test_a_connection_that_may_live_on_is_reused_and_closed_at_the_end(connection, sight, opened, monkeypatch):
    monkeypatch.setitem(database.settings_dict, "CONN_MAX_AGE", None)

    def count(job):
        return User.objects.count()

    async with working(count, concurrency=2):
        await add_many(30)
        await sight.until_count("completed", 30, timeout_s=20)
        assert 1 <= len(opened) <= 2
        assert any(wrapper.connection is not None for wrapper in opened)
    assert all(wrapper.connection is None for wrapper in opened)


async def test_a_connection_that_broke_does_not_trouble_the_next_job(connection, sight):
    def work(job):
        if job.data["n"] == 0:
            connections["default"].ensure_connection()
            connections["default"].connection.close()
        return User.objects.count()

    async with working(work, concurrency=1):
        await add_many(3)
        await eventually(lambda: len(sight.ids("completed")) + len(sight.ids("failed")) == 3)
    assert sight.ids("failed") == ["1"]


async def test_an_async_processor_finds_a_working_connection_after_one_broke(connection, sight, monkeypatch):
    def answers(wrapper) -> bool:
        """As PostgreSQL's is_usable; SQLite's is always true."""
        try:
            wrapper.connection.execute("SELECT 1")
        except wrapper.Database.Error:
            return False
        return True

    monkeypatch.setattr(type(connections["default"]), "is_usable", answers)

    def break_it() -> None:
        connections["default"].ensure_connection()
        connections["default"].connection.close()

    async def work(job):
        if job.data["n"] == 0:
            await sync_to_async(break_it)()
        return await User.objects.acount()

    async with working(work, concurrency=1):
        await add_many(3)
        await eventually(lambda: len(sight.ids("completed")) + len(sight.ids("failed")) == 3)
    assert sight.ids("failed") == ["1"]


async def test_a_transaction_that_fails_is_rolled_back(connection, sight):
    def fail(job):
        with transaction.atomic():
            User.objects.create(username="half")
            raise ValueError("no")

    async with working(fail):
        await add_many(2)
        await sight.until_count("failed", 2)
    assert await User.objects.acount() == 0


async def test_adding_on_commit_from_plain_code(connection, sight):
    def view() -> None:
        with transaction.atomic():
            user = User.objects.create(username="ana")
            transaction.on_commit(lambda: queue("chat").sync.add("welcome", {"user": user.pk}))
            assert sight.ids("wait") == []

    await sync_to_async(view)()
    assert len(sight.ids("wait")) == 1
