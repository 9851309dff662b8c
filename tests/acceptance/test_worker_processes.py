"""`runworkers --processes`: a supervisor and its children, with real processes and real signals (THREATS.md §A1)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from itertools import accumulate
from pathlib import Path

import pytest

from queues import queue
from tests.acceptance.workers import add, processes_of
from tests.conftest import free_port
from tests.eventually import Stopwatch, eventually_sync
from tests.procfs import resident

pytestmark = pytest.mark.acceptance
SUPERVISOR_MIB = 32


def sockets(pid: int) -> set[str]:
    links = (os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return {link for link in links if link.startswith("socket:")}


def test_children_share_nothing_and_the_supervisor_is_small(start, sight, tmp_path):
    """A1.11."""
    port = free_port()
    file = tmp_path / "health"
    signs = ["--health-port", str(port), "--health-file", str(file)]
    process = start("--processes", "2", "--name", "anna", *signs).ready(2)
    first, second = process.children
    assert sockets(first)
    assert sockets(second)
    assert sockets(first) & sockets(second) == set()
    assert resident(process.pid) / 2**20 < SUPERVISOR_MIB
    add("sleep", 0.05, 20)
    eventually_sync(lambda: len(sight.ids("completed")) == 20)
    assert {sight.job(job_id)["pb"] for job_id in sight.ids("completed")} == {"anna-1", "anna-2"}
    eventually_sync(lambda: process.health("/readyz")[0] == 200)
    status, told = process.health("/livez")
    assert status == 200
    assert {child["pid"] for child in told["processes"]} == {first, second}
    assert {child["name"] for child in told["processes"]} == {"anna-1", "anna-2"}
    eventually_sync(lambda: json.loads(file.read_text())["ready"])
    process.popen.terminate()
    assert process.exit_code(3) == 0
    assert process.said().count("stopped (exit code 0)") == 2
    assert not file.exists()


def test_without_their_supervisor_children_drain_and_are_gone(start, sight, ledger):
    """A1.2."""
    process = start("--processes", "2", CONCURRENCY="2").ready(2)
    add("sleep", 1, 2)
    add("sleep", 60, 1)
    (blocking,) = add("block", 60, 1)
    eventually_sync(lambda: len(ledger.entries("start")) == 4)
    process.popen.kill()
    watch = Stopwatch()
    eventually_sync(lambda: not processes_of(ledger.path), 8, "no child is left")
    assert watch.calm_s < 6
    # One second's worth of work was finished; the rest waits again, nothing of it is locked.
    assert len(sight.ids("wait")) == 4 - len(sight.ids("completed"))
    assert blocking in sight.ids("wait")
    sight.assert_all_over()
    start("--processes", "1").ready()
    eventually_sync(lambda: len(ledger.entries("start")) > 4)


def test_a_child_that_dies_or_freezes_is_replaced_and_a_busy_one_is_not(start, sight, ledger):
    process = start("--processes", "2", "--frozen-after", "2", CONCURRENCY="1").ready(2)
    before = process.children
    busy = add("spin", 3, 1) + add("block", 3, 1)
    eventually_sync(lambda: len(sight.ids("completed")) == 2, 12)
    assert process.children == before
    assert ledger.count("start") == Counter(busy)
    os.kill(before[0], signal.SIGKILL)
    os.kill(before[1], signal.SIGSTOP)
    process.has_said(rf"process 1 \(pid {before[0]}\) was ended by SIGKILL; another starts")
    process.has_said(rf"process 2 \(pid {before[1]}\) has not been heard for 2 s")
    process.ready(4)
    assert len(process.children) == 2
    assert not set(before) & set(process.children)


def test_a_job_that_kills_its_process_fails_at_the_limit_and_the_fleet_goes_on(start, sight, ledger):
    """A1.7."""
    process = start("--processes", "3", "--queues", "work", CONCURRENCY="1", STALLED_LIMIT="1").ready(3)
    ways = "kill", "segfault", "exit"
    killers = [add("die", how=how)[0] for how in ways]
    (leaver,) = add("die", how="sys.exit")
    good = add("sleep", 0.01, 60)
    eventually_sync(lambda: len(sight.ids("completed")) == len(good), 30)
    eventually_sync(lambda: len(sight.ids("failed")) == 4, 40)
    starts = ledger.count("start")
    assert [starts[job_id] for job_id in killers] == [2, 2, 2]
    assert starts[leaver] == 1
    assert all(starts[job_id] == 1 for job_id in good)
    assert all("stalled more than allowable limit" in sight.job(job_id)["failedReason"] for job_id in killers)
    assert len(re.findall(r"another starts", process.said())) == 6
    process.popen.terminate()
    assert process.exit_code(5) == 0


def test_processes_are_recycled_after_so_many_jobs_without_a_gap_or_a_repeat(start, sight, ledger):
    """A1.9, scaled down: 120 jobs, 15 a process."""
    added = add("sleep", 0.005, 120)
    process = start("--processes", "2", "--max-jobs", "15", "--queues", "work", CONCURRENCY="3")
    eventually_sync(lambda: len(sight.ids("completed")) == 120, 40, process.said())
    assert ledger.count("start") == Counter(added)
    each = Counter(ledger.pids("start"))
    assert max(each.values()) <= 15
    assert len(each) >= 8
    process.popen.terminate()
    assert process.exit_code(5) == 0, process.said()
    sight.assert_all_over()


def test_a_process_that_grew_is_replaced_when_its_jobs_are_done(start, sight, ledger):
    """A1.8."""
    process = start("--processes", "1", "--max-rss", "200", "--queues", "work", CONCURRENCY="2").ready()
    (child,) = process.children
    long, large = add("sleep", 2.5) + add("grow", 0.1, mib=200)
    process.has_said(rf"process 1 \(pid {child}\) has grown to \d+ MiB; it is replaced")
    process.ready(2)
    later = add("sleep", 0.01, 3)
    eventually_sync(lambda: set(later) <= set(sight.ids("completed")))
    assert child not in ledger.pids("done")[-3:]
    eventually_sync(lambda: process.children and child not in process.children, 10)
    assert ledger.count("done") == Counter([long, large, *later])
    assert ledger.count("start") == ledger.count("done")


def test_a_job_that_finds_no_memory_fails_alone(start, sight, ledger):
    if not shutil.which("prlimit"):
        pytest.skip("this system has no prlimit")
    process = start("--queues", "work", before=["prlimit", f"--as={3 * 2**30}"]).ready()
    (large,) = add("grow", mib=8_000)
    good = add("thread", 0.01, 5)
    eventually_sync(lambda: len(sight.ids("completed")) == 5 and sight.ids("failed") == [large])
    assert "MemoryError" in sight.job(large)["stacktrace"]
    assert set(good) == set(ledger.count("done"))
    process.popen.terminate()
    assert process.exit_code(5) == 0


def test_restarted_one_after_the_other_under_load_no_job_is_lost_or_repeated(start, sight, ledger):
    """A1.6."""
    process = start("--processes", "2", "--queues", "work", CONCURRENCY="4").ready(2)
    before, added = set(process.children), list[str]()

    def work_until(starts: int) -> None:
        def are_there() -> bool:
            if len(sight.ids("wait")) < 8:
                added.extend(add("sleep", 0.05, 4))
            return process.said().count("is ready") >= starts and len(process.children) == 2

        eventually_sync(are_there, 60, f"{starts} have started, two are left")

    process.popen.send_signal(signal.SIGHUP)
    work_until(starts=4)
    assert fewest_at_work(process.said()) == 2
    assert not before & set(process.children)
    # Asked to end one by one, by somebody else: a successor starts while each still finishes.
    for count, child in enumerate(process.children):
        os.kill(child, signal.SIGTERM)
        work_until(starts=5 + count)
    assert fewest_at_work(process.said()) == 1
    eventually_sync(lambda: len(sight.ids("completed")) == len(added), 10)
    assert ledger.count("start") == Counter(added)
    assert not before & set(process.children)
    process.popen.terminate()
    assert process.exit_code(5) == 0
    assert sight.events("stalled") == []


def fewest_at_work(said: str, fleet: int = 2) -> int:
    """How many took jobs when the fewest did, once all had begun. Each child's lines come by a thread of their own, so
    that their order is their times', not that in which they lie here."""
    changes = {"is ready on": 1, "stops: no new jobs": -1}
    steps = [change for line in sorted(said.splitlines()) for words, change in changes.items() if words in line]
    return min(list(accumulate(steps))[fleet - 1 :])


def test_what_cannot_start_is_said_once_and_ends_it(start):
    """A1.10."""
    process = start("--processes", "3", EXTRA_APPS="tests.acceptance.brokenapp")
    assert process.exit_code(10) == 1
    said = process.said()
    assert said.count("tests.acceptance.brokenapp.jobs cannot be imported: RuntimeError: no licence") == 1
    assert "none is running, and the supervisor ends" in said
    assert "Traceback" not in said


def test_a_process_that_dies_at_its_start_is_tried_again_after_growing_pauses(start, sight):
    process = start("--processes", "2", EXTRA_APPS="tests.acceptance.workapp tests.acceptance.abortapp")
    process.has_said("was ended by SIGABRT; another starts in 1 s")
    process.has_said("was ended by SIGABRT; another starts in 2 s")
    process.popen.terminate()
    assert process.exit_code(3) == 0


@pytest.mark.parametrize("name", ["thread", "block"])
def test_what_a_stopped_fleet_does_not_finish_is_waiting_again(start, sight, ledger, name):
    """A1.4; and the worst of the children's exit codes is the supervisor's."""
    process = start("--processes", "2", "--drain-timeout", "0.5", CONCURRENCY="1").ready(2)
    added = add(name, 60)
    eventually_sync(lambda: len(ledger.entries("start")) == 1)
    process.popen.terminate()
    assert process.exit_code(5) == 3
    assert sight.ids("wait") == added
    assert sight.job(added[0]).get("atm", "0") == "0"
    assert "stopped (exit code 0)" in process.said()
    sight.assert_all_over()


def test_a_second_signal_ends_a_fleet_now(start, sight, ledger):
    """A1.5."""
    process = start("--processes", "2", CONCURRENCY="1").ready(2)
    add("block", 60)
    add("sleep", 60)
    eventually_sync(lambda: len(ledger.entries("start")) == 2)
    process.popen.send_signal(signal.SIGINT)
    process.has_said("stops: no new jobs")
    process.popen.send_signal(signal.SIGINT)
    assert process.exit_code(2) == 3
    assert len(sight.ids("wait")) == 2
    assert processes_of(ledger.path) == []
    assert "Traceback" not in process.said()


def test_a_fleet_rests_and_goes_on(start, sight):
    process = start("--processes", "2").ready(2)
    process.popen.send_signal(signal.SIGTSTP)
    process.has_said("is quiet: no new jobs", 2)
    added = add("sleep")
    process.popen.send_signal(signal.SIGCONT)
    process.has_said("takes jobs again", 2)
    eventually_sync(lambda: sight.ids("completed") == added)
    process.popen.send_signal(signal.SIGTSTP)
    process.popen.terminate()
    assert process.exit_code(3) == 0


def test_the_lines_of_children_are_whole_and_json_where_that_is_asked(start, sight):
    process = start("--processes", "2", "--log-format", "json", CONCURRENCY="1").ready(2)
    added = add("speak", count=6)
    eventually_sync(lambda: len(sight.ids("completed")) == 6, 10)
    process.popen.terminate()
    assert process.exit_code(5) == 0
    printed = []
    for line in process.said().splitlines():
        if line.startswith("<"):
            printed.append(line)
        else:
            told = json.loads(line)
            assert told["timestamp"]
            if told["event"].startswith("<"):
                printed.append(told["event"])
            if told["event"].startswith("completed"):
                assert told["job_id"] in added
    words = {f"<{f'{job_id}-{number}-' * 2_000}>" for job_id in added for number in range(20)}
    assert Counter(printed) == Counter([*words, *words])


def test_a_fleet_whose_log_is_not_read_can_be_stopped(start, sight, ledger):
    unread = ["sh", "-c", '"$0" "$@" 2>&1 | (head -n 2; sleep 60)']
    process = start("--processes", "1", "--queues", "work", "--drain-timeout", "0.5", before=unread).ready()
    added = add("speak")
    eventually_sync(lambda: len(sight.ids("active")) == 1)
    time.sleep(1)
    pids = [pid for pid in processes_of(ledger.path) if b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()[:40]]
    os.kill(min(pids), signal.SIGHUP)
    os.kill(min(pids), signal.SIGTERM)
    eventually_sync(lambda: not set(pids) & set(processes_of(ledger.path)), 10)
    assert sight.ids("wait") == added
    process.popen.kill()


@pytest.mark.parametrize("output", [">/dev/full 2>&1 <&-", ">&- 2>&- <&-"])
def test_a_fleet_nobody_listens_to_goes_on(start, sight, output):
    """A1.12."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    process = start("--processes", "1", before=["sh", "-c", f'exec "$0" "$@" {output}'])
    added = add("sleep", 0.01, 5)
    eventually_sync(lambda: sorted(sight.ids("completed")) == added, 20)
    # What is closed is no number for a socket: whatever prints would write to it.
    for pid in [process.pid, *process.children]:
        assert not any(os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:") for number in (0, 1, 2))
    process.popen.terminate()
    assert process.exit_code(5) == 0


def test_as_the_first_process_of_a_container_it_buries_what_others_leave(start, sight, ledger):
    """A1.12."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody make a process namespace")
    process = start("--processes", "1", "--drain-timeout", "5", before=unshare).ready()
    add("orphan", count=3)
    add("sleep", 1)
    eventually_sync(lambda: len(ledger.entries("orphaned")) == 3)
    (inner,) = process.children
    eventually_sync(lambda: zombies_of(inner) == [] and len(ledger.entries("start")) == 1)
    os.kill(inner, signal.SIGTERM)
    assert process.exit_code(6) == 0
    assert len(sight.ids("completed")) == 4


def zombies_of(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in children if "State:\tZ" in Path(f"/proc/{child}/status").read_text()]


@pytest.mark.parametrize("fleet", [(), ("--processes", "2")])
def test_a_burst_runs_what_can_run_now_and_what_that_adds(start, sight, ledger, fleet):
    add("breed", more=3)
    (failing,) = [queue("work").sync.add("fail", {}, attempts=2, backoff=60_000).id]
    later = queue("work").sync.add("sleep", {"s": 0}, delay_ms=60_000).id
    process = start("--burst", *fleet)
    assert process.exit_code(10) == 0
    assert len(ledger.entries("done")) == 7
    assert sorted(sight.ids("delayed")) == sorted([failing, later])
    assert sight.ids("wait") == []
    sight.assert_all_over()
