"""Mirrors killed at random while queues live, Redis falls, the database goes away and people do what people do: in the
end every row is what Redis holds, on either database.

MIRROR_KILLS=200 DATABASE_AWAY_S=30 bin/test tests/acceptance/test_mirror_storm.py makes a long one of it; STORM_SEED
repeats one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from queues.errors import TorilError
from queues.options import reset_options
from queues.protocol import writes
from queues.protocol.commands import call_script
from queues.protocol.connections import keys, wire
from tests.acceptance.test_runmirror import flush, people, traffic, trouble
from tests.conftest import RedisServer
from tests.eventually import eventually
from tests.mirroring import add
from tests.postgresql import PostgresServer
from tests.stand import ROOT, Stand

pytestmark = pytest.mark.acceptance

KILLS = int(os.environ.get("MIRROR_KILLS", "12"))
AWAY_S = float(os.environ.get("DATABASE_AWAY_S", "2"))
QUEUES = [f"q{n}" for n in range(3)]
LEADS = "this mirror leads"


class Nursery:
    """Mirrors of one stand."""

    def __init__(self, stand: Stand) -> None:
        self.log, self.verified = stand.folder / "mirrors.log", stand.folder / "verified.json"
        environ = {**stand.environ, "LOG": str(self.log), "VERIFIED": str(self.verified)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.nursery"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.children: list[int] = []
        assert self._read() == "ready"

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self, work: str = "mirror") -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        self.children.append(int(self._read()))
        return self.children[-1]

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def differences(self) -> list[Any] | None:
        """None where it could not be compared."""
        self.verified.unlink(missing_ok=True)
        pid = self.start("verify")
        await eventually(lambda: self.verified.exists() or not _is_alive(pid), 60, "rows are compared")
        text = self.verified.read_text() if self.verified.exists() else ""
        found = json.loads(text) if text else {}
        return found.get("differences")

    def close(self) -> None:
        for pid in self.children:
            self.kill(pid)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def storm_redis(tmp_path: Path, settings) -> Iterator[RedisServer]:
    """One that remembers over a restart what it had written to its disk."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder, "--appendonly", "yes", "--appendfsync", "everysec")
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": server.url, "PREFIX": "bull"}}}
    reset_options()
    yield server
    server.stop()
    reset_options()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path: Path, storm_redis) -> Iterator[tuple[Stand, Callable[[], Any]]]:
    """A stand, and what takes its database away for as long as the block lasts."""
    if request.param == "sqlite":
        stand = Stand(tmp_path / "stand", storm_redis.url, "bull")
        yield stand, lambda: _locked(stand)
        stand.close()
        return
    server = PostgresServer()
    try:
        stand = Stand(tmp_path / "stand", storm_redis.url, "bull", DATABASE_URL=server.url)
        yield stand, lambda: _stopped(server)
        stand.close()
    finally:
        server.close()


@contextlib.contextmanager
def _locked(stand: Stand) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(stand.folder / "db.sqlite3", 30, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.rollback()


@contextlib.contextmanager
def _stopped(server: PostgresServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextlib.asynccontextmanager
async def weather(dice: random.Random) -> AsyncIterator[None]:
    """Traffic, people and trouble on every queue, until the block ends; whatever Redis does to them."""
    over = asyncio.Event()

    async def blow(queue: str) -> None:
        while not over.is_set():
            step = dice.choices([traffic, people, trouble], [30, 4, 2])[0]
            with contextlib.suppress(TorilError, AssertionError):
                await step("default", "bull", queue, dice)
                # Not of all: what begins anew is compared with its sets, and that would hide what was missed.
                if queue == QUEUES[-1] and dice.random() < 0.05:
                    await dice.choice([flush, obliterate])("default", queue)
            await asyncio.sleep(dice.random() * 0.1)

    tasks = [asyncio.create_task(blow(queue)) for queue in QUEUES]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def obliterate(connection: str, queue: str) -> None:
    await writes.pause(connection, queue)
    k = keys(connection, queue)
    while await wire(connection).call(call_script("obliterate", [k("meta"), k.base], [1000, "force"])):
        pass


async def test_whatever_befalls_them_the_mirrors_end_in_step_with_redis(database, storm_redis):
    stand, away = database
    seed = int(os.environ.get("STORM_SEED", "0")) or random.randrange(10**6)
    sys.stdout.write(f"STORM_SEED={seed}\n")
    dice = random.Random(seed)
    nursery = Nursery(stand)
    try:
        async with weather(dice):
            for number in range(KILLS):
                mirror, led = nursery.start(), nursery.said().count(LEADS)
                if dice.random() < 0.6:
                    await eventually(lambda led=led: nursery.said().count(LEADS) > led, 30, "it leads")
                # Some live long enough to be done with what their predecessors missed.
                await asyncio.sleep(dice.random() * (2.0 if number % 5 == 4 else 0.4))
                if number % 10 == 3:
                    storm_redis.kill()
                    storm_redis.start()
                if number == KILLS // 2:
                    with away():
                        await asyncio.sleep(AWAY_S)
                nursery.kill(mirror)
        assert nursery.said().count(LEADS) > KILLS / 3
        await _one_takes_over(nursery)
        await _in_step(nursery)
        assert "is not mirrored" not in nursery.said()
        assert "Traceback" not in nursery.said()
    finally:
        nursery.close()
        sys.stdout.write(nursery.said()[-4_000:])


async def _one_takes_over(nursery: Nursery) -> None:
    """Of two the leader is killed; the other leads."""
    led = nursery.said().count(LEADS)
    first = nursery.start()
    await eventually(lambda: nursery.said().count(LEADS) > led, 30, "the first leads")
    waiting = nursery.said().count("another mirror leads")
    nursery.start()
    await eventually(lambda: nursery.said().count("another mirror leads") > waiting, 30, "the second waits")
    nursery.kill(first)
    await eventually(lambda: nursery.said().count(LEADS) > led + 1, 30, "the second leads")
    await add("default", QUEUES[0], 5)


async def _in_step(nursery: Nursery) -> None:
    found: list[Any] = []

    async def agree() -> bool:
        told = await nursery.differences()
        found[:] = ["could not be compared"] if told is None else told
        return not found

    try:
        await eventually(agree, 90)
    except AssertionError:
        raise AssertionError(f"{len(found)} differences: {found[:20]}") from None
