"""Webhooks through the death of the mirror that sends them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.mirroring import add, finish, start
from tests.receiving import receiver
from tests.stand import Stand

pytestmark = pytest.mark.acceptance

JOBS, KILLS = 200, 2
MAKE = """
from django.contrib.auth.models import User
from django.utils import timezone
from queues.delivery import sealing
from queues.models import Endpoint
secret = sealing.new_secret()
Endpoint.objects.create(name="x", url="{url}", kinds='["job.completed"]', secret=sealing.seal(secret),
    maker=User.objects.get(username="ana"), maker_name="ana", since=timezone.now())
print(secret)
"""


@pytest.fixture
def stand(tmp_path: Path, redis_server, prefix, connection) -> Iterator[Stand]:
    stand = Stand(tmp_path, redis_server.url, prefix)
    yield stand
    stand.close()


async def test_killed_while_it_sends_it_loses_nothing_and_tells_each_ending_under_one_id(stand, connection):
    async with receiver() as there:
        secret = (await asyncio.to_thread(shell, stand, MAKE.format(url=there.url))).strip()
        await add(connection, "mails", JOBS)
        await finish(connection, "mails", await start(connection, "mails", JOBS))
        for kill in range(1, KILLS + 1):
            process = stand.mirror()
            enough = JOBS * kill // (KILLS + 2) + random.randrange(20)
            await eventually(lambda enough=enough: len(there.ids) >= enough, 60)
            process.kill()
            process.wait()
        stand.mirror()
        await eventually(lambda: len(there.ids) == JOBS, 60)
        await eventually(lambda: {state for *_, state in deliveries(stand)} == {"sent"}, 60)
        told = {each.id: each.data["jobId"] for each in there.received}
        assert len(set(told.values())) == JOBS
        assert all(each.is_signed_with(secret) for each in there.received)
        # What was under way when it died comes again; nothing else does.
        assert len(there.received) - JOBS <= KILLS * 8
        assert "Traceback" not in stand.log("mirror")
    rows = deliveries(stand)
    assert {message_id: job_id for message_id, job_id, _state in rows} == told
    assert {state for _message_id, _job_id, state in rows} == {"sent"}


def shell(stand: Stand, command: str) -> str:
    return stand.manage("shell", "--verbosity", "0", "--command", command)


def deliveries(stand: Stand) -> list[tuple[str, str, str]]:
    with contextlib.closing(sqlite3.connect(stand.folder / "db.sqlite3", 30)) as database:
        return database.execute("SELECT message_id, job_id, state FROM toril_delivery").fetchall()
