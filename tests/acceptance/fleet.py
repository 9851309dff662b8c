"""Worker processes for fault tests, the jobs they get, and what they cost meanwhile."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from queues import queue
from queues.errors import TorilError
from queues.protocol.keys import Keys
from tests import procfs
from tests.acceptance.workers import Logged
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually_sync
from tests.ledger import Findings, Ledger, Truth, audit
from tests.services import INTEROP, require_node

START_S = 60.0
LINES_PER_S, CPU = 5.0, 0.2
LOST_LINE = re.compile(r"(?:lost the lock of|outcome of) work (\S+?)(?:;| “.* was not stored)")
#: The same of Node's.
LOST_IN_NODE = re.compile(r"(?:Missing|could not renew) lock for job (\w+)")
JOB_LINE = re.compile(r"queues\.worker.*: (started|completed) work")


class Member(Logged):
    """One worker, ours or Node's."""

    def is_ready(self) -> bool:
        assert self.is_alive, self.said()
        return "is ready" in self.said()

    def cpu_s(self) -> float:
        """The processor time it has used so far."""
        return procfs.cpu_s(self.pid)

    def rss_mib(self) -> float:
        return procfs.resident(self.pid) / 2**20


class Cost:
    """What a stretch of time cost each process a second: log lines (but for those of each job), processor seconds."""

    def __init__(self, members: list[Member]) -> None:
        self._members, self._began = members, time.monotonic()
        self._before = [(len(member.said().splitlines()), member.cpu_s()) for member in members]
        self.lines: list[str] = []
        self.lines_per_s = self.cpu = 0.0

    def stop(self) -> Cost:
        seconds = time.monotonic() - self._began
        for member, (count, cpu_s) in zip(self._members, self._before, strict=True):
            lines = [line for line in member.said().splitlines()[count:] if not JOB_LINE.search(line)]
            self.lines += lines
            self.lines_per_s = max(self.lines_per_s, len(lines) / seconds)
            self.cpu = max(self.cpu, (member.cpu_s() - cpu_s) / seconds)
        return self

    def assert_small(self) -> None:
        """As little as a worker in trouble may cost."""
        assert self.lines_per_s <= LINES_PER_S, "\n".join([str(self), *self.lines])
        assert self.cpu <= CPU, str(self)

    def __str__(self) -> str:
        return f"{self.lines_per_s:.1f} log lines/s, {self.cpu:.3f} of a CPU per process"


class Fleet:
    """Worker processes on one queue `work`, their ledger, and the ids of the jobs they were given."""

    def __init__(self, server: RedisServer, prefix: str, folder: Path, **environ: str) -> None:
        self.server, self.folder = server, folder
        self.keys = Keys(prefix, "work")
        self.ledger = Ledger(folder / "ledger")
        self.members: list[Member] = []
        self.deaths: dict[int, float] = {}
        self.added: list[str] = []
        self._logs = 0
        base = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "TORIL_"))}
        self._environ = base | {
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.fault_settings",
            "SECRET_KEY": "tests-only",
            "REDIS_URL": server.url,
            "QUEUE_PREFIX": prefix,
            "LEDGER": str(self.ledger.path),
            **environ,
        }

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.server.port, socket_timeout=30)

    # --- processes

    def launch(self, *arguments: str, **environ: str) -> Member:
        """Start one and go on; `start` also waits until it is ready."""
        command = [sys.executable, "manage.py", "runworkers", "--no-reload", "--queues", "work", *arguments]
        return self._launch(command, environ)

    def launch_node(self, **environ: str) -> Member:
        """A worker of Node's BullMQ, which keeps the same ledger."""
        known = {"REDIS_PORT": str(self.server.port), "PREFIX": self.keys.prefix, "QUEUE": "work"}
        return self._launch([require_node(), str(INTEROP / "ledger.mjs")], known | environ)

    def _launch(self, command: list[str], environ: dict[str, str]) -> Member:
        self._logs += 1
        member = Member(self._environ | environ, command, self.folder / f"worker-{self._logs}.log")
        self.members.append(member)
        return member

    def start(self, count: int = 1, *arguments: str, **environ: str) -> list[Member]:
        started = [self.launch(*arguments, **environ) for _ in range(count)]
        for member in started:
            eventually_sync(member.is_ready, START_S, "the worker is ready")
        return started

    def kill(self, member: Member) -> None:
        member.popen.kill()
        member.popen.wait()
        self.deaths[member.pid] = time.monotonic()
        self.members.remove(member)

    def terminate(self, member: Member, timeout_s: float = 30) -> int:
        """SIGTERM; its exit code."""
        member.popen.send_signal(signal.SIGTERM)
        code = member.popen.wait(timeout_s)
        self.members.remove(member)
        return code

    def end(self) -> None:
        """Whatever is left is killed."""
        for member in self.members:
            with suppress(ProcessLookupError):
                member.popen.send_signal(signal.SIGCONT)
                member.popen.kill()
            member.popen.wait(10)
        self.members.clear()

    def said(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("worker-*.log")))

    # --- jobs

    def plant(
        self,
        count: int,
        name: str,
        data: Callable[[int], Any],
        *,
        state: str = "wait",
        marker: bool = True,
        first: bool = False,
    ) -> list[str]:
        """Put jobs into the queue in few round trips, as a producer's script leaves them (but for their events).

        `first`: before all that wait. `data` may give bytes: what they say is stored, whatever it is.
        """
        with self.client() as client:
            last = int(client.incrby(self.keys("id"), count))
            ids = [str(number) for number in range(last - count + 1, last + 1)]
            for begin in range(0, count, 1_000):
                pipe = client.pipeline(transaction=True)
                for offset, job_id in enumerate(ids[begin : begin + 1_000], begin):
                    pipe.hset(self.keys.job(job_id), mapping=_hash(name, data(offset)))
                    (pipe.rpush if first else pipe.lpush)(self.keys(state), job_id)
                if marker:
                    pipe.zadd(self.keys("marker"), {"0": 0})
                pipe.execute()
        self.added += ids
        return ids

    def completed(self) -> int:
        with self.client() as client:
            return int(client.zcard(self.keys("completed")))

    def listening(self) -> int:
        """How many workers block on the queue's marker."""
        with self.client() as client:
            return len([one for one in client.client_list() if one["cmd"] == "bzpopmin" and "b" in one["flags"]])

    def resumed_s(self, timeout_s: float = 60) -> float:
        """How many calm seconds after Redis answered again a job of now was started."""
        self._until_writable(timeout_s)
        began, watch = time.monotonic(), Stopwatch()
        (probe,) = self.plant(1, "nap", lambda _: {"s": 0}, first=True)
        # After a flush ids begin anew.
        news = lambda: [run for run in self.ledger.runs()[probe] if run.start > began]  # noqa: E731
        eventually_sync(news, timeout_s, "the probe is started")
        return (news()[0].start - began) / watch.slowness

    def _until_writable(self, timeout_s: float) -> None:
        def is_writable() -> bool:
            try:
                with redis.Redis(port=self.server.port, socket_timeout=1) as client:
                    return bool(client.set("writable", 1))
            except redis.RedisError:
                return False

        eventually_sync(is_writable, timeout_s, "Redis takes a write")

    def forget(self) -> None:
        """A new test begins: the jobs of the last are no longer looked after."""
        self.added.clear()
        self.deaths.clear()
        self.ledger.clear()

    def finished(self) -> int:
        with self.client() as client:
            return sum(client.zcard(self.keys(state)) for state in ("completed", "failed"))

    def until_over(self, timeout_s: float) -> None:
        """Wait until every job that was added is completed or failed."""

        def is_over() -> bool:
            with self.client() as client:
                ends = [self.keys(state) for state in ("completed", "failed")]
                if sum(map(client.zcard, ends)) < len(self.added):
                    return False
                over = {job_id.decode() for key in ends for job_id in client.zrange(key, 0, -1)}
            return over >= set(self.added)

        eventually_sync(is_over, timeout_s, f"all {len(self.added)} jobs are over")

    def audit(self) -> Findings:
        with self.client() as client:
            truth = Truth.read(client, self.keys.base)
        found = audit(self.ledger, truth, self.added, deaths=self.deaths, lost=self.lost())
        if not found.is_clean:
            self._say_more(found)
        return found

    def _say_more(self, found: Findings) -> None:
        """What a person wants to read of the jobs that something is wrong with."""
        runs = self.ledger.runs()
        for job_id in [*found.unaccounted, *found.false_completions, *found.unexplained, *found.overlaps][:5]:
            said = [line for line in self.said().splitlines() if f" {job_id} " in line]
            sys.stdout.write("\n  ".join([job_id, *map(str, runs.get(job_id, [])), *said]) + "\n")
        troubles = [line for line in self.said().splitlines() if " INFO " not in line]
        sys.stdout.write("\n".join(troubles[-40:]) + "\n")

    def lost(self) -> set[str]:
        """The jobs whose lock some worker said it had lost, at the latest when its outcome was refused."""
        return {*LOST_LINE.findall(self.said()), *LOST_IN_NODE.findall(self.said())}


def _hash(name: str, data: Any) -> dict[str, Any]:
    return {
        "name": name,
        "data": data if isinstance(data, bytes) else json.dumps(data),
        "opts": "{}",
        "timestamp": time.time_ns() // 1_000_000,
        "delay": 0,
        "priority": 0,
    }


class Producer:
    """A thread that adds jobs through the producer all the time; `added` are those that Redis acknowledged."""

    def __init__(self, fleet: Fleet, *, longest_s: float, seed: int, pause_s: float = 0.05) -> None:
        self._fleet, self._longest_s, self._pause_s = fleet, longest_s, pause_s
        self._dice, self._done = random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._produce, name="producer")

    def __enter__(self) -> Producer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _produce(self) -> None:
        while not self._done.wait(self._pause_s):
            with suppress(TorilError):
                data = {"s": self._dice.uniform(0, self._longest_s)}
                self._fleet.added.append(queue("work").sync.add("nap", data).id)
