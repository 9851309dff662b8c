"""executor="process": processors in child processes that report, die, are cancelled and end with the worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from queues import queue
from queues.processors import Registry
from queues.worker.worker import Worker
from tests import heavy
from tests.eventually import eventually
from tests.working import Sight, working


def registered(function, **options) -> Registry:
    registry = Registry()
    registry.processor("chat", executor="process", **options)(function)
    return registry


def result(sight: Sight, job_id: str):
    return json.loads(sight.job(job_id)["returnvalue"])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(worker: Worker) -> list[int]:
    return [child._process.pid for child in worker._executors.processes._all]


async def test_a_job_runs_in_a_child_that_is_used_again(connection, sight):
    async with working(registry=registered(heavy.square), concurrency=1) as worker:
        added = [await queue("chat").add("x", {"n": n}) for n in range(3)]
        await sight.until("completed", *(one.id for one in added), timeout_s=20)
        found = [result(sight, one.id) for one in added]
        (pid,) = children(worker)
    assert [one["square"] for one in found] == [0, 1, 4]
    assert {one["pid"] for one in found} == {pid}
    assert {one["parent"] for one in found} == {os.getpid()}
    assert not is_alive(pid)


async def test_its_reports_reach_redis_and_it_knows_what_every_job_knows(connection, sight):
    async with working(registry=registered(heavy.report)):
        added = await queue("chat").add("x", {"n": 1})
        await sight.until("completed", added.id, timeout_s=20)
    job = sight.job(added.id)
    assert result(sight, added.id) == {"children": {}, "attempt": 1, "worker": "tester", "id": added.id}
    assert sight.logs(added.id) == ["begun"]
    assert json.loads(job["progress"]) == {"percent": 50}
    assert json.loads(job["data"]) == {"seen": True}


async def test_a_report_on_a_job_that_was_removed_raises_there(connection, sight):
    async with working(registry=registered(heavy.report)) as worker:
        added = await queue("chat").add("x")
        await eventually(lambda: worker.running)
        sight.client.delete(sight.keys.job(added.id))
        await eventually(lambda: not worker.running, timeout_s=20)
    assert sight.logs(added.id) == []


async def test_typed_data_arrives_as_what_it_is_and_what_is_not_fails_without_a_child(connection, sight):
    async with working(registry=registered(heavy.count_words, data=heavy.Page)) as worker:
        wrong = await queue("chat").add("x", {"number": 2, "words": "no list"}, attempts=3)
        await sight.until("failed", wrong.id)
        assert children(worker) == []
        right = await queue("chat").add("x", {"number": 2, "words": ["a", "b", "c"]})
        await sight.until("completed", right.id, timeout_s=20)
    assert result(sight, right.id) == 6
    assert "words" in sight.job(wrong.id)["failedReason"]


@pytest.mark.parametrize("data", [{"blob": "é" * 3_000_000}, {"half": "\ud83d", "nul": "\x00"}, None, [], 2**53])
async def test_data_of_any_size_and_kind_goes_there_and_back(connection, sight, data):
    async with working(registry=registered(heavy.echo)):
        added = await queue("chat").add("x", data)
        await sight.until("completed", added.id, timeout_s=20)
    assert result(sight, added.id) == data


async def test_django_is_set_up_inside(connection, sight):
    async with working(registry=registered(heavy.ask_django)):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id, timeout_s=20)
    assert result(sight, added.id) == ["queues", "auth.User"]


async def test_an_exception_comes_back_with_its_traceback_and_a_bad_result_with_its_reason(connection, sight):
    registry = registered(heavy.raise_deep)
    registry.processor("chat", name="set", executor="process")(heavy.give_set)
    async with working(registry=registry):
        odd, unwritable = await queue("chat").add("x"), await queue("chat").add("set")
        await sight.until("failed", odd.id, unwritable.id, timeout_s=20)
    assert sight.job(odd.id)["failedReason"] == "a\\ud800\\x00 word"
    trace = sight.job(odd.id)["stacktrace"]
    assert "in deeper" in trace
    assert "queues/runs" not in trace
    assert "JSON" in sight.job(unwritable.id)["failedReason"]


async def test_a_child_that_dies_fails_the_attempt_with_the_cause_and_is_replaced(connection, sight):
    registry = registered(heavy.die)
    registry.processor("chat", name="good", executor="process")(heavy.square)
    ways = {
        "exit code 0": {"how": "exit"},
        "exit code 3": {"how": "exit", "code": 3},
        "SIGKILL": {"how": "SIGKILL"},
        "SIGSEGV": {"how": "segfault"},
        "SIGABRT": {"how": "SIGABRT"},
        "4": {"how": "sys.exit"},
    }
    async with working(registry=registry, concurrency=2) as worker:
        bad = {cause: await queue("chat").add("x", data) for cause, data in ways.items()}
        good = [await queue("chat").add("good", {"n": n}) for n in range(5)]
        await sight.until("failed", *(one.id for one in bad.values()), timeout_s=30)
        await sight.until("completed", *(one.id for one in good), timeout_s=30)
        assert len(children(worker)) <= 2
    for cause, one in bad.items():
        assert cause in sight.job(one.id)["failedReason"]
    sight.assert_all_over()


async def test_a_child_that_died_is_noticed_though_what_it_forked_keeps_the_socket(connection, sight):
    async with working(registry=registered(heavy.die_beside_a_fork)):
        added = await queue("chat").add("x")
        await sight.until("failed", added.id, timeout_s=8)
    assert "exit code 7" in sight.job(added.id)["failedReason"]


def open_sockets(pid: int) -> list[str]:
    return [found for fd in Path(f"/proc/{pid}/fd").iterdir() if "socket" in (found := os.readlink(fd))]


async def test_a_child_whose_worker_is_gone_ends_by_itself(connection, sight, tmp_path):
    async with working(registry=registered(heavy.for_ever)) as worker:
        added = await queue("chat").add("x", {"file": str(tmp_path / "pid")})
        await written(tmp_path / "pid")
        (child,) = worker._executors.processes._all
        child._writer.close()
        await sight.until("failed", added.id)
    assert "exit code 1" in sight.job(added.id)["failedReason"]


async def test_a_program_that_a_processor_started_keeps_nothing_of_the_child(connection, sight):
    async with working(registry=registered(heavy.start_a_program)):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id, timeout_s=20)
        pid = result(sight, added.id)
    try:
        assert open_sockets(pid) == []
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_a_job_that_is_retried_after_its_child_died_completes(connection, sight, tmp_path):
    async with working(registry=registered(heavy.until_cancelled)) as worker:
        added = await queue("chat").add("x", {"file": str(tmp_path / "pid")}, attempts=2)
        await written(tmp_path / "pid")
        os.kill(children(worker)[0], signal.SIGKILL)
        await eventually(lambda: sight.job(added.id).get("atm") == "1")
        await eventually(lambda: sight.job(added.id).get("ats") == "2")
        (run,) = worker.engines[0].running.values()
        run.cancel("enough")
        await sight.until("failed", added.id, timeout_s=20)
    assert sight.job(added.id)["failedReason"] == "enough"


async def test_a_child_that_does_not_come_to_its_job_fails_it(connection, sight, monkeypatch):
    monkeypatch.setattr("queues.runs.processes.START_S", 0.01)
    async with working(registry=registered(heavy.square)) as worker:
        added = await queue("chat").add("x", {"n": 1})
        await sight.until("failed", added.id)
        await eventually(lambda: children(worker) == [])
    assert "did not start within 0.01 s" in sight.job(added.id)["failedReason"]


async def test_a_child_that_cannot_start_fails_the_job_with_the_cause(connection, sight, monkeypatch):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings_that_are_nowhere")
    async with working(registry=registered(heavy.square)):
        added = await queue("chat").add("x", {"n": 1})
        await sight.until("failed", added.id, timeout_s=20)
    assert "could not start: ModuleNotFoundError" in sight.job(added.id)["failedReason"]


async def test_an_idle_child_that_died_costs_the_next_job_nothing(connection, sight):
    async with working(registry=registered(heavy.square)) as worker:
        first = await queue("chat").add("x", {"n": 1})
        await sight.until("completed", first.id, timeout_s=20)
        (pid,) = children(worker)
        os.kill(pid, signal.SIGKILL)
        second = await queue("chat").add("x", {"n": 2})
        await sight.until("completed", second.id, timeout_s=20)
    assert result(sight, second.id)["pid"] != pid
    assert sight.ids("failed") == []


async def test_a_job_over_its_time_is_killed(connection, sight):
    async with working(registry=registered(heavy.for_ever, timeout_s=1.0)) as worker:
        added = await queue("chat").add("x", {})
        await sight.until("failed", added.id, timeout_s=10)
        await eventually(lambda: children(worker) == [])
    assert sight.job(added.id)["failedReason"] == "TimeoutError: the job took longer than its 1 s"


async def test_its_time_counts_from_where_it_begins_not_from_the_childs_start(connection, sight, tmp_path, monkeypatch):
    (tmp_path / "slow_settings.py").write_text("import time; time.sleep(1.5)\nfrom tests.settings import *\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "slow_settings")
    async with working(registry=registered(heavy.square, timeout_s=1.2)):
        added = await queue("chat").add("x", {"n": 3})
        await sight.until("completed", added.id, timeout_s=20)
    assert sight.ids("failed") == []


async def test_the_child_sees_that_its_job_was_cancelled(connection, sight, tmp_path):
    async with working(registry=registered(heavy.until_cancelled)) as worker:
        added = await queue("chat").add("x", {"file": str(tmp_path / "pid")}, attempts=3)
        await written(tmp_path / "pid")
        (run,) = worker.engines[0].running.values()
        assert run.cancel("not wanted any more")
        await sight.until("failed", added.id)
        assert len(children(worker)) == 1
    assert sight.job(added.id)["failedReason"] == "not wanted any more"


async def test_one_that_does_not_look_is_killed_a_while_after_it_was_cancelled(
    connection, sight, tmp_path, monkeypatch
):
    monkeypatch.setattr("queues.runs.processes.CANCEL_S", 0.2)
    async with working(registry=registered(heavy.for_ever)) as worker:
        added = await queue("chat").add("x", {"file": str(tmp_path / "pid")})
        await written(tmp_path / "pid")
        (run,) = worker.engines[0].running.values()
        run.cancel("not wanted any more")
        await sight.until("failed", added.id)
        await eventually(lambda: children(worker) == [])
    assert sight.job(added.id)["failedReason"] == "not wanted any more"


async def test_a_stopping_worker_hands_the_job_back_and_ends_the_child(connection, sight, tmp_path):
    async with working(registry=registered(heavy.for_ever), drain_s=0.1) as worker:
        added = await queue("chat").add("x", {"file": str(tmp_path / "pid")})
        pid = await written(tmp_path / "pid")
        stopped = await worker.stop(0.1)
    assert (stopped.unfinished, stopped.stuck) == (1, 0)
    assert sight.ids("wait") == [added.id]
    assert not is_alive(pid)


async def written(file: Path) -> int:
    """The process id that a processor writes down when it begins."""
    return int(await eventually(lambda: file.exists() and file.read_text(), timeout_s=20))


async def test_a_signal_to_the_whole_group_costs_no_job(connection, sight, tmp_path):
    async with working(registry=registered(heavy.until_cancelled)) as worker:
        added = await queue("chat").add("x", {"file": str(tmp_path / "pid")})
        pid = await written(tmp_path / "pid")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
            os.kill(pid, number)
        (run,) = worker.engines[0].running.values()
        run.cancel("enough")
        await sight.until("failed", added.id)
        assert children(worker) == [pid]
    assert sight.job(added.id)["failedReason"] == "enough"


async def test_other_jobs_locks_and_the_loop_go_on_meanwhile(connection, sight, tmp_path):
    registry, left_ms = registered(heavy.until_cancelled), [10_000]

    @registry.processor("chat", name="quick")
    async def quick(job):
        return "here"

    options = {"concurrency": 2, "lock_duration_ms": 400, "stalled_interval_ms": 200}
    async with working(registry=registry, **options) as worker:
        slow = await queue("chat").add("x", {"file": str(tmp_path / "pid")})
        await written(tmp_path / "pid")
        others = [await queue("chat").add("quick") for _ in range(50)]
        await sight.until("completed", *(one.id for one in others))
        await eventually(lambda: renewals(sight, slow.id, left_ms) >= 4)
        assert sight.ids("active") == [slow.id]
        (run,) = worker.engines[0].running.values()
        run.cancel("enough")
        await sight.until("failed", slow.id)
    assert sight.job(slow.id).get("stc", "0") == "0"


def renewals(sight: Sight, job_id: str, left_ms: list[int]) -> int:
    """How often the job's lock was seen to have more time left than before."""
    left_ms.append(sight.client.pttl(sight.keys.job(job_id) + b":lock"))
    return sum(later > earlier for earlier, later in pairwise(left_ms))


async def test_jobs_of_one_child_share_no_context(connection, sight):
    async with working(registry=registered(heavy.leave_something)):
        added = [await queue("chat").add("x") for _ in range(3)]
        await sight.until("completed", *(one.id for one in added), timeout_s=20)
    assert [result(sight, one.id) for one in added] == ["clean"] * 3


def test_a_function_that_no_child_can_find_is_refused_at_the_start():
    from queues.errors import ConfigurationError

    def local(job):
        return None

    with pytest.raises(ConfigurationError, match=r"local.*import by name"):
        registered(local)


#: As `runworkers` has it: uvloop starts children in its own way.
WORKER = """
import asyncio, django, uvloop
django.setup()
from queues.options import QueueOptions
from queues.processors import Registry
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests import heavy

async def main():
    registry = Registry()
    registry.processor("chat", executor="process")(heavy.for_ever)
    worker = Worker([QueuePlan("chat", registry.of("chat"), QueueOptions())])
    worker.start()
    await asyncio.sleep(60)

uvloop.run(main())
"""


def start_worker(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER], env=environment)


async def test_the_children_of_a_killed_worker_die_with_it(connection, sight, redis_server, prefix, tmp_path):
    await queue("chat").add("x", {"file": str(tmp_path / "pid")})
    where = {"DJANGO_SETTINGS_MODULE": "tests.settings", "REDIS_URL": redis_server.url, "QUEUE_PREFIX": prefix}
    worker = start_worker({**os.environ, **where})
    try:
        pid = await written(tmp_path / "pid")
        assert is_alive(pid)
    finally:
        worker.kill()
        worker.wait()
    await eventually(lambda: not is_alive(pid))
