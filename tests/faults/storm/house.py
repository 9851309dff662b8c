"""The installation: a Redis with an append-only file, two webs, two workers, two mirrors, and who starts them again as
systemd would. Nobody else touches them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import redis

from queues.protocol.keys import Keys
from tests.conftest import RedisServer, free_port
from tests.eventually import eventually_sync
from tests.faults import sturdy_redis
from tests.ledger import Ledger
from tests.listening import SETTINGS
from tests.postgresql import PostgresServer
from tests.stand import Stand

PREFIX = "storm"
#: Those that jobs are added to all the time; both have a ledger.
QUEUES = ("work", "told")
KINDS = ("web", "worker", "mirror")
START_S = 120.0
#: systemd's RestartSec=1 of deploy/systemd.
RESTART_S = 1.0
LOST = re.compile(r"(?:lost the lock of|outcome of) \w+ (\S+?)(?:;| “.* was not stored)")


class House:
    """`close()` ends every process."""

    def __init__(self, folder: Path, database: str = "sqlite") -> None:
        self.folder = folder
        (folder / "redis").mkdir()
        self.redis: RedisServer = sturdy_redis(folder / "redis")
        self.postgres = PostgresServer() if database == "postgresql" else None
        self.ledger = Ledger(folder / "ledger")
        self.webs = {f"web-{n}": free_port() for n in (1, 2)}
        environ = {"DATABASE_URL": self.postgres.url} if self.postgres else {}
        self.stand = Stand(
            folder / "stand",
            self.redis.url,
            PREFIX,
            DJANGO_SETTINGS_MODULE="tests.acceptance.storm_settings",
            LEDGER=str(self.ledger.path),
            STAND_TORIL=json.dumps(SETTINGS),
            TORIL_DEMO="0",
            **environ,
        )
        self.stand.address = f"http://127.0.0.1:{self.webs['web-1']}"
        #: When each process that was killed died, by its id.
        self.deaths: dict[int, float] = {}
        self.starts: Counter[str] = Counter()
        self.ended_by_itself: list[str] = []
        self._supervising: asyncio.Task[None] | None = None
        self._died_at: dict[str, float] = {}
        self._told_to_end: set[int] = set()

    # --- processes

    @property
    def names(self) -> list[str]:
        return [f"{kind}-{n}" for kind in KINDS for n in (1, 2)]

    @property
    def addresses(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.webs.values()]

    def _launch(self, name: str) -> None:
        self.starts[name] += 1
        if name in self.webs:
            # As the Procfile's.
            options = ["-b", "127.0.0.1", "-p", str(self.webs[name]), "--ping-interval", "5", "--ping-timeout", "10"]
            self.stand.start(name, sys.executable, "-m", "daphne", *options, "dashboard.asgi:application")
        elif name.startswith("worker"):
            self.stand.start(name, sys.executable, "manage.py", "runworkers", "--no-reload", "--queues", "work,told")
        else:
            self.stand.start(name, sys.executable, "manage.py", "runmirror")

    def start_processes(self) -> None:
        for name in self.names:
            self._launch(name)
        for address in self.addresses:
            eventually_sync(lambda address=address: _answers(address), START_S, "the web answers")
        for name in ("worker-1", "worker-2"):
            eventually_sync(lambda name=name: "is ready" in self.stand.log(name), START_S, "the worker is ready")

    def supervise(self) -> None:
        self._supervising = asyncio.create_task(self._supervise(), name="supervisor")

    async def _supervise(self) -> None:
        """Whoever has ended is started again, a second later."""
        while True:
            await asyncio.sleep(0.1)
            for name in self.names:
                process = self.stand.processes[name]
                if process.poll() is None:
                    continue
                now = time.monotonic()
                if name not in self._died_at:
                    self._died_at[name] = now
                    if process.pid not in self.deaths and process.pid not in self._told_to_end:
                        self.ended_by_itself.append(f"{name} with {process.returncode}")
                elif now - self._died_at[name] >= RESTART_S:
                    del self._died_at[name]
                    self._launch(name)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        return self.stand.processes[name]

    def signal(self, name: str, number: int) -> bool:
        """Whether there was somebody to send it to."""
        process = self.process(name)
        if process.poll() is not None:
            return False
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()
        if number == signal.SIGKILL:
            self.deaths[process.pid] = time.monotonic()
        if number == signal.SIGTERM:
            self._told_to_end.add(process.pid)
        return True

    def alive(self) -> bool:
        return all(self.process(name).poll() is None for name in self.names)

    async def settle(self) -> None:
        """Nothing is broken any more: everybody lives, Redis takes writes."""
        if self.redis.process is None:
            self.redis.start()
        with self.client() as client:
            client.replicaof("NO", "ONE")
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")
        for name in self.names:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process(name).pid, signal.SIGCONT)

    async def close(self) -> None:
        if self._supervising is not None:
            self._supervising.cancel()
        if self.redis.process is not None:
            self.redis.process.send_signal(signal.SIGCONT)
        for process in self.stand.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(self.stand.close)
        self.redis.stop()
        if self.postgres is not None:
            self.postgres.close()

    # --- what is in it

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.redis.port, socket_timeout=60)

    def keys(self, queue: str) -> Keys:
        return Keys(PREFIX, queue)

    def said(self, kind: str = "") -> str:
        return "\n".join(self.stand.log(name) for name in self.names if name.startswith(kind))

    def lost(self) -> set[str]:
        """The jobs whose lock some worker said it had lost."""
        return set(LOST.findall(self.said("worker")))

    async def manage(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.stand.manage, *arguments)

    async def shell(self, code: str) -> list[str]:
        return (await self.manage("shell", "--verbosity", "0", "--command", code)).strip().splitlines()

    def facts(self) -> dict[str, Any]:
        return {"starts": dict(self.starts), "ended by themselves": self.ended_by_itself}


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/livez", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
