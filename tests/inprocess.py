"""Jobs that run in the test's own process, without any Redis: the mode, its runner, and what the rows say."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from queues import processors
from queues.inprocess import process
from queues.inprocess.carrier import InProcessCarrier
from queues.inprocess.presence import Presence
from queues.inprocess.runner import Runner
from queues.models import Job
from queues.options import reset_options
from queues.options.values import LOCAL_CONNECTION
from queues.processors import Registry
from queues.producer import install
from tests.eventually import eventually
from tests.stand import ROOT, Stand


class ClosedPort:
    """An address where a Redis might be; whoever dials it is noticed."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self._socket.setblocking(False)
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}/0"

    def was_dialled(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


#: Adds what each line says, `add(name, data, **options)`, and ends when there are no more.
ADDER = """
import sys
from queues import queue
for line in sys.stdin:
    print(eval(line, {"add": queue("chat").sync.add}).id, flush=True)
"""


class Adder:
    """A process that adds jobs, and runs them."""

    def __init__(self, stand: Stand) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", ADDER],
            cwd=ROOT,
            env=stand.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def add(self, call: str) -> str:
        self.process.stdin.write(call + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        # Or it would go on as a zombie, which nobody can tell from a process that lives.
        self.process.wait()

    def ends(self) -> int:
        """Let it come to its own end; its exit code."""
        self.process.stdin.close()
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()


@pytest.fixture
def in_process(settings: Any, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClosedPort]:
    """USE_JOB_QUEUE=false; the Redis that the settings name is never dialled."""
    # The first add starts the process's runner; the samples' processor of `chat`, if any test imported it, stays out.
    processors.autodiscover()
    others = {name: found for name, found in processors.registry._queues.items() if name != "chat"}
    monkeypatch.setattr(processors.registry, "_queues", others)
    port = ClosedPort()
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": port.url}}, "USE_JOB_QUEUE": False}
    reset_options()
    before = install(InProcessCarrier())
    yield port
    process.stop(0)
    install(before)
    reset_options()
    dialled = port.was_dialled()
    port.close()
    assert not dialled, "somebody spoke to Redis"


@asynccontextmanager
async def running(
    function: Callable[[Any], Any] | None = None,
    queue: str = "chat",
    *,
    registry: Registry | None = None,
    presence: Presence | None = None,
    grace_s: float = 2.0,
) -> AsyncIterator[Runner]:
    """This process's runner, with `function` for the queue's jobs."""
    registry = registry or Registry()
    if function is not None:
        registry.processor(queue)(function)
    runner = Runner(registry, presence)
    runner.start()
    before = process.use(runner)
    try:
        yield runner
    finally:
        process.use(before)
        await asyncio.to_thread(runner.stop, grace_s)


async def row(job_id: str, queue: str = "chat") -> Job:
    return await Job.objects.filter(connection=LOCAL_CONNECTION, queue=queue, job_id=job_id).order_by("-pk").afirst()


async def until(job_id: str, state: str, queue: str = "chat", timeout_s: float = 5.0) -> Job:
    """The row, once it says so."""

    async def there() -> Job | None:
        job = await row(job_id, queue)
        return job if job is not None and job.state == state else None

    return await eventually(there, timeout_s, f"{queue}/{job_id} becomes {state}")
