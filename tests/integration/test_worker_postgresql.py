"""Jobs and a PostgreSQL whose backends are ended under them: only statements in flight fail (THREATS.md A6.1, A6.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections
from django.db.utils import ConnectionHandler

from dashboard import environment
from queues import queue
from queues.processors import Registry
from tests.eventually import eventually
from tests.postgresql import PostgresServer
from tests.working import working

THREADS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def database(server: PostgresServer, django_db_blocker) -> Iterator[str]:
    """An alias of the server, whose connections live on from job to job and are looked at before they are used."""
    settings: dict[str, Any] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.postgresql",
        **{"NAME": "postgres", "USER": "toril", "HOST": "127.0.0.1", "PORT": server.port, "OPTIONS": {}},
        **{"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True},
    }
    connections.databases["jobs"] = settings
    with django_db_blocker.unblock():
        yield "jobs"
    del connections.databases["jobs"]


def select(alias: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


def backends(server: PostgresServer, verb: str) -> int:
    """How many connections jobs have; `verb` may end them."""
    with psycopg.connect(server.url, autocommit=True) as link:
        asked = f"SELECT {verb}(pid) FROM pg_stat_activity WHERE usename = 'toril' AND pid <> pg_backend_pid()"  # noqa: S608
        return link.execute(asked).rowcount


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_jobs_outlive_the_end_of_their_connections(connection, sight, server, database, kind):
    registry, ended, most = Registry(), 0, 0

    @registry.processor("chat", name="plain")
    def plain(job):
        return select(database)

    @registry.processor("chat", name="async")
    async def on_loop(job):
        return await sync_to_async(select)(database)

    count = 600
    async with working(registry=registry, concurrency=THREADS):
        for _ in range(20):
            await asyncio.gather(*(queue("chat").add(kind) for _ in range(count // 20)))
            most = max(most, await asyncio.to_thread(backends, server, "abs"))
            ended += await asyncio.to_thread(backends, server, "pg_terminate_backend")
        await eventually(lambda: len(sight.ids("completed") + sight.ids("failed")) == count, timeout_s=30)
        failed = len(sight.ids("failed"))
        added = await asyncio.gather(*(queue("chat").add(kind) for _ in range(100)))
        await sight.until("completed", *(one.id for one in added), timeout_s=20)
    assert ended
    assert failed <= ended
    assert most <= THREADS + 2


async def test_a_transaction_that_a_job_left_open_is_rolled_back_before_the_next(connection, sight, server, database):
    from django.db import transaction

    with psycopg.connect(server.url, autocommit=True) as link:
        link.execute("CREATE TABLE left_open (n int)")

    def work(job):
        with connections[database].cursor() as cursor:
            if job.name == "leave":
                transaction.atomic(database).__enter__()
                cursor.execute("INSERT INTO left_open VALUES (1)")
                return None
            cursor.execute("SELECT count(*) FROM left_open")
            return cursor.fetchone()[0]

    async with working(work, concurrency=1):
        left = await queue("chat").add("leave")
        added = [await queue("chat").add("count") for _ in range(100)]
        await sight.until("completed", left.id, *(one.id for one in added), timeout_s=20)
    assert {sight.job(one.id)["returnvalue"] for one in added} == {"0"}


def test_a_statement_ends_after_the_time_that_the_address_names(server, tmp_path, django_db_blocker):
    address = f"{server.url}?options=-c%20statement_timeout%3D50"
    settings = environment.database({"DATABASE_URL": address}, tmp_path, tmp_path)
    link = ConnectionHandler({"default": settings})["default"]
    with django_db_blocker.unblock():
        try:
            with link.cursor() as cursor, pytest.raises(OperationalError, match="statement timeout"):
                cursor.execute("SELECT pg_sleep(60)")
        finally:
            link.close()
            link.close_pool()
