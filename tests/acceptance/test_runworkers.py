"""`manage.py runworkers` as a process of its own, with real signals."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from queues import queue
from queues.worker.health import WARN_S
from tests.acceptance.workers import add, processes_of
from tests.conftest import free_port
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance


def test_it_says_what_it_is_ready_for_and_what_it_runs(start, sight, ledger):
    process = start("--name", "anna").ready()
    (job_id,) = add("sleep", 0.01)
    eventually_sync(lambda: sight.ids("completed") == [job_id])
    process.popen.terminate()
    assert process.exit_code(5) == 0
    said = process.said()
    assert "worker anna is ready" in said
    assert "work (5 at once): “sleep” tests.acceptance.workapp.jobs.sleep" in said
    assert "other (1 at once): tests.acceptance.workapp.jobs.other" in said
    assert f"started work {job_id} “sleep” (attempt 1 of 1)" in said
    assert re.search(rf"completed work {job_id} “sleep” \(attempt 1 of 1\) in [1-9]\d+ ms", said)
    assert "exit code 0" in said
    assert sight.job(job_id)["pb"] == "anna"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_jobs_finish_and_starts_no_more(start, sight, ledger, number):
    process = start("--queues", "work", CONCURRENCY="20").ready()
    add("sleep", 1.5, 15)
    add("thread", 1.5, 15)
    eventually_sync(lambda: len(ledger.entries("start")) == 20)
    sent = time.time()
    process.popen.send_signal(number)
    assert process.exit_code(6) == 0
    assert len(ledger.entries("done")) == len(sight.ids("completed")) == 20
    assert max(at for _, at in ledger.entries("start")) < sent + 0.5
    assert len(sight.ids("wait")) == 10
    sight.assert_all_over()


@pytest.mark.parametrize("name", ["sleep", "thread"])
def test_what_does_not_finish_in_time_is_waiting_again_with_its_attempts_whole(start, sight, ledger, name):
    process = start("--drain-timeout", "0.5").ready()
    added = add(name, 60, 3)
    eventually_sync(lambda: len(ledger.entries("start")) == 3)
    process.popen.terminate()
    assert process.exit_code(4) == 3
    assert sorted(sight.ids("wait")) == added
    assert all(sight.job(job_id).get("atm", "0") == "0" for job_id in added)
    sight.assert_all_over()
    assert "handing them back" in process.said()
    assert "Traceback" not in process.said()


@pytest.mark.parametrize("name", ["sleep", "thread", "block"])
def test_a_second_signal_ends_it_now(start, sight, ledger, name):
    process = start().ready()
    add(name, 30)
    eventually_sync(lambda: ledger.entries("start"))
    process.popen.terminate()
    eventually_sync(lambda: "stops: no new jobs" in process.said() or name == "block")
    # A person's second Ctrl-C; a blocked loop says nothing of the first that could be waited for.
    time.sleep(0.3)
    process.popen.send_signal(signal.SIGINT)
    assert process.exit_code(2) == 3
    if name != "block":
        assert len(sight.ids("wait")) == 1
    assert "Traceback" not in process.said()


def test_a_job_that_blocks_the_loop_past_the_deadline_is_waiting_again(start, sight, ledger):
    process = start("--drain-timeout", "0.5").ready()
    added = add("block", 60) + add("sleep", 60)
    eventually_sync(lambda: ledger.count("start")[added[0]] == 1)
    process.popen.terminate()
    assert process.exit_code(4) == 3
    assert sorted(sight.ids("wait")) == added
    assert all(sight.job(job_id).get("atm", "0") == "0" for job_id in added)
    assert "2 jobs are unfinished and the loop stands still; handed them back" in process.said()
    sight.assert_all_over()


@pytest.mark.parametrize("name", ["sleep", "block"])
def test_tstp_lets_it_rest_and_cont_go_on(start, sight, ledger, name):
    process = start("--queues", "work", CONCURRENCY="1").ready()
    first = add(name, 1.5)
    eventually_sync(lambda: ledger.entries("start"))
    process.popen.send_signal(signal.SIGTSTP)
    second = add("sleep", 0.01)
    process.has_said("is quiet: no new jobs")
    eventually_sync(lambda: sight.ids("completed") == first)
    # Whatever was to be fetched with the end of the first job would have started by now.
    time.sleep(0.3)
    assert ledger.count("start") == Counter(first)
    process.popen.send_signal(signal.SIGCONT)
    eventually_sync(lambda: sorted(sight.ids("completed")) == [*first, *second])
    process.popen.send_signal(signal.SIGTSTP)
    process.popen.terminate()
    assert process.exit_code(3) == 0


def test_a_terminal_that_is_closed_ends_it_in_order(start, sight, ledger):
    process = start().ready()
    add("sleep", 0.5)
    eventually_sync(lambda: ledger.entries("start"))
    process.popen.send_signal(signal.SIGHUP)
    assert process.exit_code(3) == 0
    assert len(sight.ids("completed")) == 1


def test_without_any_processor_it_waits_and_is_not_ready(start):
    """Under a Procfile its end would be the web's end."""
    port = free_port()
    process = start("--health-port", str(port), EXTRA_APPS="")
    process.has_said("There is no processor: write functions")
    eventually_sync(lambda: process.health("/livez")[0] == 200)
    status, told = process.health("/readyz")
    assert status == 503
    assert "There is no processor" in told["reasons"][0]
    process.popen.terminate()
    assert process.exit_code(3) == 0


def test_its_probes_are_red_within_fifteen_seconds_of_an_outage_and_green_after_it(start, own_redis, tmp_path):
    port, file = free_port(), tmp_path / "health"
    process = start(
        "--health-port", f"127.0.0.1:{port}", "--health-file", str(file), REDIS_URL=own_redis.url, QUEUE_PREFIX="probed"
    ).ready()
    eventually_sync(lambda: process.health("/readyz")[0] == 200 and file.exists())
    own_redis.stop()
    began = time.monotonic()
    eventually_sync(lambda: process.health("/readyz")[0] == 503, 15)
    assert time.monotonic() - began > 5
    assert process.health("/livez")[0] == 200
    eventually_sync(lambda: '"ready": false' in file.read_text())
    own_redis.start()
    eventually_sync(lambda: process.health("/readyz")[0] == 200, 5)
    process.popen.terminate()
    assert process.exit_code(3) == 0
    assert not file.exists()


def test_after_so_many_jobs_it_ends(start, sight, ledger):
    added = add("sleep", 0.01, 12)
    process = start("--max-jobs", "7", "--queues", "wo*", CONCURRENCY="3")
    assert process.exit_code(10) == 0
    assert len(ledger.count("done")) == len(sight.ids("completed")) == 7
    assert sorted([*sight.ids("wait"), *sight.ids("completed")], key=int) == added
    assert "it has run its 7 jobs" in process.said()
    sight.assert_all_over()


def test_grown_too_large_it_ends_when_its_jobs_are_done(start, sight, ledger):
    process = start("--max-rss", "200", CONCURRENCY="2").ready()
    added = add("sleep", 2) + add("grow", 0.1, mib=200)
    assert process.exit_code(10) == 0
    assert sorted(sight.ids("completed")) == added
    assert "it has grown to" in process.said()


def test_where_nobody_reads_its_log_jobs_keep_their_locks_and_it_can_be_stopped(start, sight, ledger):
    """A terminal after Ctrl-S, a log collector that hangs: then the loop stands in the writing of a line."""
    process = start(
        "--queues", "work", "--drain-timeout", "0.5", before=["sh", "-c", '"$0" "$@" 2>&1 | (head -n 1; sleep 60)']
    ).ready()
    added = add("sleep", 60) + add("speak")
    eventually_sync(lambda: len(sight.ids("active")) == 2)
    # Long enough for the warning that the loop stands, and for the lock to run out after it.
    time.sleep(WARN_S + 2.5)
    assert all(sight.client.exists(sight.keys.lock(job_id)) for job_id in added)
    workers = [pid for pid in processes_of(ledger.path) if b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()[:40]]
    os.kill(workers[0], signal.SIGTERM)
    eventually_sync(lambda: workers[0] not in processes_of(ledger.path), 5)
    assert sorted(sight.ids("wait")) == added
    process.popen.kill()


def test_it_also_stops_while_redis_is_away(start, own_redis, ledger, settings):
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "away"}}}
    reset_options()
    process = start("--drain-timeout", "0.5", REDIS_URL=own_redis.url, QUEUE_PREFIX="away").ready()
    add("sleep", 30)
    eventually_sync(lambda: ledger.entries("start"))
    own_redis.stop()
    process.popen.terminate()
    assert process.exit_code(6) == 3


def test_it_waits_for_a_redis_that_is_not_there_yet(start, own_redis):
    own_redis.stop()
    process = start(REDIS_URL=own_redis.url)
    eventually_sync(lambda: "Redis cannot be reached" in process.said(), 20)
    own_redis.start()
    process.ready()
    process.popen.terminate()
    assert process.exit_code(5) == 0


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        (["--burst", "--reload"], {}, "give one of them"),
        (["--burst"], {"EXTRA_APPS": ""}, "There is no processor"),
        (["--exclude", "*"], {}, "Nothing is left to run: --exclude names each of other, work."),
        (["--queues", "work,nope"], {}, "Queue “nope” has no processor; these have: other, work."),
        ([], {"EXTRA_APPS": "tests.acceptance.brokenapp"}, "tests.acceptance.brokenapp.jobs cannot be imported"),
        ([], {"USE_JOB_QUEUE": "false"}, "USE_JOB_QUEUE is false"),
        ([], {"REDIS_URL": "http://nowhere"}, "REDIS_URL must begin with"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_a_code(start, arguments, environ, sentence):
    process = start(*arguments, **environ)
    assert process.exit_code(20) == 1
    assert sentence in process.said()
    assert "Traceback" not in process.said()


@pytest.mark.parametrize("arguments", [["--concurrency", "0"], ["--drain-timeout", "-1"], ["--health-port", "there"]])
def test_bad_flags_are_named(start, arguments):
    process = start(*arguments)
    assert process.exit_code(20) == 2
    assert arguments[0] in process.said()


def test_only_the_named_queues_are_worked_on(start, sight, ledger, client_of_redis, prefix):
    start("--queues", "other").ready()
    add("sleep", 0)
    queue("other").sync.add("x")
    eventually_sync(lambda: ledger.entries("done"))
    assert len(sight.ids("wait")) == 1


def test_every_job_of_killed_workers_is_run_by_others(start, sight, ledger):
    fleet = [start("--queues", "work", CONCURRENCY="8").ready() for _ in range(2)]
    added = add("sleep", 0.05, 400)
    dice = random.Random(7)
    for _ in range(5):
        time.sleep(0.4)
        victim = dice.randrange(2)
        fleet[victim].popen.kill()
        fleet[victim] = start("--queues", "work", CONCURRENCY="8")
    eventually_sync(lambda: len(sight.ids("completed")) == 400, 40, "all jobs complete")
    done = ledger.count("done")
    assert set(done) == set(added)
    # Run more than once: only what a killed process held.
    assert sum(count - 1 for count in ledger.count("start").values()) <= 5 * 8
    sight.assert_all_over()


def test_blocking_async_processors_run_once_each(start, sight, ledger):
    """THREATS.md A2.1: the reference completes none of these."""
    for _ in range(3):
        start("--queues", "work", CONCURRENCY="4").ready()
    added = add("block", 2.5, 10)
    eventually_sync(lambda: len(sight.ids("completed")) == 10, 40, "all jobs complete")
    assert ledger.count("start") == Counter(added)
    assert sight.events("stalled") == []


def test_full_disk_for_logs_stops_no_job(start, sight, ledger):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    process = start(before=["sh", "-c", 'exec "$0" "$@" >/dev/full 2>&1'])
    added = add("sleep", 0.01, 5)
    eventually_sync(lambda: sorted(sight.ids("completed")) == added, 20)
    process.popen.terminate()
    assert process.exit_code(5) in (0, 120)


def test_it_works_as_the_first_process_of_a_container(start, sight, ledger):
    unshare = ["unshare", "--pid", "--fork"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody make a process namespace")
    process = start("--drain-timeout", "5", before=unshare).ready()
    add("sleep", 1, 2)
    eventually_sync(lambda: len(ledger.entries("start")) == 2)
    inner = subprocess.run(["pgrep", "-P", str(process.popen.pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(inner[0]), signal.SIGTERM)
    assert process.exit_code(6) == 0
    assert len(sight.ids("completed")) == 2
