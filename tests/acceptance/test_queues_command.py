"""`manage.py queues` and `runworkers` as processes: every verb once, against workers that really run."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from signal import SIG_IGN
from typing import Any
from uuid import uuid4

import pytest

from queues.lookups.workers import WorkerProcess, processes
from queues.options import reset_options
from queues.protocol.connections import close_wires
from tests.console import Ran
from tests.eventually import eventually_sync
from tests.stand import ROOT, Stand
from tests.working import Sight

pytestmark = pytest.mark.acceptance
#: A process takes a second to start, and this machine may have much else to do.
PATIENCE_S = 60


class Shell:
    def __init__(self, stand: Stand) -> None:
        self.stand = stand

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        environ = {**self.stand.environ, **more.pop("environ", {})}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        command = [sys.executable, "manage.py", "queues", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=environ, text=True, **pipes)

    def __call__(self, *arguments: str, stdin: str | None = None) -> Ran:
        process = self.start(*arguments, **({} if stdin is None else {"stdin": subprocess.PIPE}))
        return self.end(process, stdin)

    def all(self, *commands: list[str]) -> list[Ran]:
        """Several at once, for each takes its second to start."""
        return [self.end(process) for process in [self.start(*command) for command in commands]]

    @staticmethod
    def end(process: subprocess.Popen[str], stdin: str | None = None) -> Ran:
        out, err = process.communicate(stdin, timeout=PATIENCE_S)
        assert "Traceback" not in err, err
        return Ran(process.returncode, out, err)


@pytest.fixture(scope="module")
def stand(tmp_path_factory, redis_server) -> Iterator[Stand]:
    stand = Stand(tmp_path_factory.mktemp("stand"), redis_server.url, f"t{uuid4().hex[:12]}")
    yield stand
    stand.close()


@pytest.fixture
def shell(stand, settings) -> Iterator[Shell]:
    """With this process's own settings on the same Redis, to look without starting another."""
    described = {"URL": stand.environ["REDIS_URL"], "PREFIX": stand.environ["QUEUE_PREFIX"]}
    settings.TORIL = {"CONNECTIONS": {"default": described}}
    reset_options()
    yield Shell(stand)
    reset_options()


@pytest.fixture
def sight(client_of_redis, stand) -> Sight:
    return Sight(client_of_redis, stand.environ["QUEUE_PREFIX"])


def workers() -> dict[str, WorkerProcess]:
    async def look():
        try:
            return (await processes("default")).own
        finally:
            await close_wires()

    return {process.name: process for process in asyncio.run(look())}


def test_workers_are_quieted_resumed_and_stopped_and_a_job_is_cancelled(shell, sight):
    stand = shell.stand
    for name in ("anna", "ben"):
        stand.start(name, sys.executable, "manage.py", "runworkers", "--queues", "chat", "--name", name)
    eventually_sync(lambda: set(workers()) == {"anna", "ben"}, PATIENCE_S)
    assert workers()["anna"].pid == stand.processes["anna"].pid

    quieted = shell("quiet", "ben")
    assert (quieted.code, quieted.out) == (0, "Worker “ben” takes no new jobs.\n"), quieted.err
    added = shell("add", "chat", "talk", "-", "--attempts", "3", "--json", stdin='{"sleep_s": 60}').json["id"]
    eventually_sync(lambda: workers()["anna"].running and workers()["anna"].running[0].progress, 20)
    said = shell("workers").out
    assert f"chat {added} “talk” (attempt 1" in said
    assert '"sleeping"' in said
    assert said.index("anna: chat 1/1") < said.index(f"chat {added}") < said.index("ben: chat 0/1")

    cancelled = shell("cancel", "chat", added, "--reason", "wrong customer")
    assert cancelled.out == f"Job “{added}” was cancelled: it is failed now (“wrong customer”).\n", cancelled.err
    stopped, resumed, again = shell.all(["stop-workers", "anna"], ["resume-workers", "ben"], ["cancel", "chat", added])
    assert (stopped.code, resumed.code, again.code) == (0, 0, 1), (stopped.err, resumed.err)
    assert stand.processes.pop("anna").wait(PATIENCE_S) == 0
    assert set(workers()) == {"ben"}
    eventually_sync(lambda: workers()["ben"].state == "running")
    # What is killed cannot say goodbye: it is listed until its heartbeat expires.
    ben = stand.processes.pop("ben")
    ben.kill()
    ben.wait()
    assert set(workers()) == {"ben"}


def test_queues_and_jobs_are_steered(shell, sight):
    sight.client.hset(sight.keys("meta"), "opts.maxLenEvents", 10_000)
    tail = shell.start("tail", "chat", "--json")
    assert tail.stderr is not None
    assert "Following chat" in tail.stderr.readline()
    paused, added, later = shell.all(
        ["pause", "chat"], ["add", "chat", "talk", "--json"], ["add", "chat", "talk", "--delay", "1h", "--json"]
    )
    assert (paused.code, added.code, later.code) == (0, 0, 0)
    job_id = added.json["id"]
    sight.client.lrem(sight.keys("wait"), 0, job_id)
    sight.client.zadd(sight.keys("failed"), {job_id: 1})
    shown, counts, retried, promoted, listed = shell.all(
        ["job", "chat", job_id],
        ["counts", "chat", "--json"],
        ["retry", "chat", job_id],
        ["promote", "chat", "--all", "--yes"],
        ["list"],
    )
    assert [ran.code for ran in (shown, counts, retried, promoted, listed)] == [0, 0, 0, 0, 0]
    assert counts.json["queues"][0]["is_paused"] is True
    assert set(sight.ids("wait")) == {job_id, later.json["id"]}
    assert listed.out.startswith("queue")
    cleaned, drained, resumed = shell.all(
        ["clean", "chat", "--state", "completed", "--older-than", "1d"], ["drain", "chat", "--yes"], ["resume", "chat"]
    )
    assert [ran.code for ran in (cleaned, drained, resumed)] == [0, 0, 0]
    assert sight.ids("wait") == []
    tail.send_signal(signal.SIGINT)
    out, err = tail.communicate(timeout=PATIENCE_S)
    assert (tail.returncode, err) == (0, "")
    assert {"paused", "resumed", "added", "waiting", "delayed"} <= {
        json.loads(line)["type"] for line in out.splitlines()
    }


def test_what_is_ended_halfway_stops_between_two_steps_and_is_recorded(shell, sight):
    prefix, count = sight.keys.prefix, 40_000
    ids = [str(number) for number in range(count)]
    with sight.client.pipeline(transaction=False) as pipe:
        pipe.hset(f"{prefix}:many:meta", "version", "x")
        for job_id in ids:
            pipe.hset(f"{prefix}:many:{job_id}", mapping={"name": "x", "data": "{}", "timestamp": 1})
        pipe.zadd(f"{prefix}:many:failed", dict.fromkeys(ids, 1))
        pipe.execute()
    # As a script starts it in the background: Ctrl-C is ignored, and the order to end is not.
    retrying = shell.start("retry", "many", "--all", "--yes", preexec_fn=lambda: signal.signal(signal.SIGINT, SIG_IGN))
    eventually_sync(lambda: sight.client.llen(f"{prefix}:many:wait") > 100, PATIENCE_S)
    retrying.send_signal(signal.SIGTERM)
    ended = shell.end(retrying)
    done = sight.client.llen(f"{prefix}:many:wait")
    assert ended.code == 130
    assert 100 < done < count
    look = "from queues.models import AuditEntry as A; a = A.objects.latest('pk'); print(a.outcome, a.affected)"
    assert shell.stand.manage("shell", "--verbosity", "0", "--command", look).split() == ["done", str(done)]


def test_codes_a_pipe_that_closes_and_a_terminal(shell, sight):
    sight.client.hset(sight.keys("meta"), "version", "x")
    sight.client.lpush(sight.keys("wait"), "1")
    sight.client.hset(sight.keys.job("1"), mapping={"name": "x", "data": "{}", "timestamp": 1})
    controller, terminal = pty.openpty()
    asked = shell.start("drain", "chat", stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    piped, usage = shell.start("list"), shell.start("explode")
    missing = shell.start("job", "nope", "1")
    away = shell.start("list", "--json", environ={"REDIS_URL": "redis://127.0.0.1:1"})
    assert piped.stdout is not None
    piped.stdout.close()
    piped.stdout = None
    assert shell.end(piped).code == 0
    assert (shell.end(usage).code, shell.end(missing).code) == (2, 3)
    gone = shell.end(away)
    assert (gone.code, gone.json["error"]["code"]) == (4, "redis_unavailable")
    said = b""
    while b"[y/N]" not in said:
        said += os.read(controller, 1_000)
    os.write(controller, b"y\n")
    assert asked.wait(PATIENCE_S) == 0
    os.close(controller)
    assert b"Remove 1 waiting and prioritized job" in said
    assert b"\x1b" not in said
    assert sight.ids("wait") == []


def test_an_output_that_takes_nothing_is_one_sentence_and_a_closed_one_nothing(shell):
    with open("/dev/full", "wb") as full:
        unwritten, unheard = shell.start("list", stdout=full), shell.start("job", "nope", "1", stderr=full)
    closed = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$0" manage.py queues list >&- 2>&-', sys.executable], cwd=ROOT, env=shell.stand.environ
    )
    err = unwritten.communicate(timeout=PATIENCE_S)[1]
    assert (unwritten.returncode, err) == (1, "The output cannot be written: No space left on device.\n")
    assert (unheard.communicate(timeout=PATIENCE_S)[0], unheard.returncode) == ("", 3)
    assert closed.wait(PATIENCE_S) == 0
