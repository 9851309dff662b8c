"""`manage.py demo` as a process: it adds jobs, ends cleanly, and keeps off a team's own Redis."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.eventually import eventually_sync

ROOT = Path(__file__).resolve().parent.parent.parent
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(redis_server, prefix: str, tmp_path: Path) -> Iterator[Start]:
    """Starts the command against this test's Redis; whatever still runs at the end is killed."""
    children: list[subprocess.Popen[str]] = []

    def start(*flags: str, **variables: str) -> subprocess.Popen[str]:
        environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "SECRET_KEY": "tests-only",
            "VAR_DIR": str(tmp_path),
            "REDIS_URL": redis_server.url,
            "QUEUE_PREFIX": prefix,
            "TORIL_DEMO": "1",
            **variables,
        }
        child = subprocess.Popen(
            [sys.executable, "manage.py", "demo", *flags],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_adds_jobs_until_it_is_told_to_end(
    start: Start, client_of_redis: redis.Redis, prefix: str, number: signal.Signals
) -> None:
    child = start("--burst", "40", "--rate", "5")
    eventually_sync(lambda: client_of_redis.llen(f"{prefix}:ai-jobs:wait") > 0, timeout_s=20)
    child.send_signal(number)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (0, "")
    first, last = out.splitlines()[0], out.splitlines()[-1]
    assert first == "Adding about 5 jobs a second to the sample queues; Ctrl-C ends it."
    assert int(last.split()[1]) >= 40


def test_the_same_seed_adds_the_same_jobs(start: Start, client_of_redis: redis.Redis, prefix: str) -> None:
    def scans(under: str) -> list[bytes]:
        child = start("--burst", "200", "--rate", "0", "--seed", "7", QUEUE_PREFIX=under)
        eventually_sync(lambda: client_of_redis.zcard(f"{under}:scan:prioritized") > 4, timeout_s=20)
        child.terminate()
        child.communicate(timeout=10)
        found = client_of_redis.zrange(f"{under}:scan:prioritized", 0, -1)
        # Those of schedulers are called after their moment.
        return [job_id for job_id in found if job_id.startswith(b"scan-")]

    assert scans(prefix) == scans(f"{prefix}-again")


def test_it_keeps_off_a_redis_that_is_not_its_own(start: Start, client_of_redis: redis.Redis, prefix: str) -> None:
    child = start("--burst", "10", TORIL_DEMO="")
    out, err = child.communicate(timeout=20)
    assert child.returncode == 1
    assert out == ""
    assert "set TORIL_DEMO=1" in err
    assert len(err.splitlines()) == 1
    assert not list(client_of_redis.scan_iter(f"{prefix}*"))


def test_the_refusal_does_not_show_the_redis_password(start: Start) -> None:
    child = start(TORIL_DEMO="", REDIS_URL="redis://:s3cret@redis.example:6379/0")
    _, err = child.communicate(timeout=20)
    assert "redis.example" in err
    assert "s3cret" not in err


@pytest.mark.parametrize(
    "flags", [("--rate", "-1"), ("--rate", "fast"), ("--rate", "nan"), ("--burst", "-1"), ("--seed", "x")]
)
def test_a_bad_flag_is_named(start: Start, flags: tuple[str, str]) -> None:
    child = start(*flags)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 2
    assert f"argument {flags[0]}" in err


def test_it_waits_for_a_redis_that_is_not_there_yet(start: Start, own_redis) -> None:
    own_redis.stop()
    child = start("--burst", "10", REDIS_URL=own_redis.url)
    assert child.stdout is not None
    child.stdout.readline()
    assert "Trying again in" in child.stdout.readline()
    own_redis.start()
    assert eventually_sync(child.stdout.readline, timeout_s=10)
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (0, "")
    assert int(out.splitlines()[-1].split()[1]) >= 10
