"""bin/up on a fresh clone: started, used over HTTP and the socket, ended by a signal, started again."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis
from websockets.sync.client import connect

from tests.acceptance.conftest import Up
from tests.acceptance.program import Program, kill, plain_environment, processes_in
from tests.conftest import free_port
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

FIRST_START_S, LATER_START_S = 60.0, 5.0
SAMPLE_QUEUES = ("chat", "deep-research", "curl-generation", "auto-tagging")


def has_answered(program: Program, within_s: float = FIRST_START_S) -> float:
    """Calm seconds from the start to the line with the address; the lines that come with it are there as well."""
    program.has_said("Toril answers at", within_s)
    seconds = program.watch.calm_s
    program.has_said("ends all of it, in order")
    return seconds


def password_said(program: Program) -> str:
    found = re.search(r"password\s+(\S{12,}) \(of “admin”; shown this once\)", program.text)
    assert found, program.text
    return found[1]


@contextmanager
def signed_in(port: int, password: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True, timeout=10) as client:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/sign-in").text)
        assert token
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token[1]}
        client.post("/sign-in", data=form).raise_for_status()
        yield client


def jobs_added(client: redis.Redis) -> int:
    """Over all queues and times: BullMQ's counter of ids."""
    return sum(int(client.get(key) or 0) for key in client.scan_iter("bull:*:id"))


def pid_of(part: str, folder: Path) -> int:
    return next(pid for pid, command in processes_in(folder).items() if part in command)


def ends_with_nothing_left(program: Program, folder: Path, number: int = signal.SIGINT) -> None:
    program.signal(number)
    assert program.exit_code() == 0, program.text
    assert processes_in(folder) == {}


def test_a_fresh_clone_starts_is_used_ends_and_goes_on_where_it_was(up: Up, clone: Path, port: int) -> None:
    program = up()
    seconds = has_answered(program)
    assert seconds < FIRST_START_S
    assert f"http://127.0.0.1:{port}/admin/queues/" in program.text
    password = password_said(program)

    with signed_in(port, password) as client:
        page = eventually_sync(
            lambda: (
                (text := client.get("/admin/queues/").text) and all(name in text for name in SAMPLE_QUEUES) and text
            ),
            timeout_s=30,
            what="the sample queues on the overview",
        )
        assert "deep-research" in page
        assert client.get("/admin/queues/queue/chat?status=completed").status_code == 200
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        socket = f"ws://127.0.0.1:{port}/admin/queues/live"
        with connect(socket, origin=f"http://127.0.0.1:{port}", additional_headers={"Cookie": cookies}) as live:
            assert "<" in str(live.recv(timeout=20))

    url_file = clone / "var" / "redis-url"
    assert stat.S_IMODE(url_file.stat().st_mode) == 0o600
    assert git(clone, "status", "--porcelain") == ""
    url = url_file.read_text().strip()
    assert url in program.text
    with redis.Redis.from_url(url) as client_of_redis:
        jobs = eventually_sync(lambda: jobs_added(client_of_redis), what="sample jobs")
    assert found_by_hand(clone) == url
    ends_with_nothing_left(program, clone)

    again = up()
    seconds = has_answered(again, LATER_START_S)
    assert seconds < LATER_START_S
    assert password not in again.text
    assert "manage.py changepassword admin" in again.text
    with redis.Redis.from_url(url_file.read_text().strip()) as client_of_redis:
        assert jobs_added(client_of_redis) >= jobs
    with signed_in(port, password) as client:
        assert "deep-research" in client.get("/admin/queues/").text
    ends_with_nothing_left(again, clone, signal.SIGTERM)


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout


def found_by_hand(clone: Path) -> str:
    """The Redis that a manage.py command finds which is started in another terminal."""
    script = "from queues.options import get_options; print(get_options().connection().url)"
    command = [clone / ".venv" / "bin" / "python", "manage.py", "shell", "--verbosity", "0", "-c", script]
    done = subprocess.run(command, cwd=clone, env=plain_environment(), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_killed_start_leaves_nothing_for_ever_and_the_next_one_loses_nothing(up: Up, clone: Path) -> None:
    program = up(TORIL_DEMO="0")
    has_answered(program)
    url = (clone / "var" / "redis-url").read_text().strip()
    with redis.Redis.from_url(url) as client:
        client.set("kept through it", "yes")
    kill(program.pid)
    next_one = up(TORIL_DEMO="0")
    has_answered(next_one)
    with redis.Redis.from_url((clone / "var" / "redis-url").read_text().strip()) as client:
        assert client.get("kept through it") == b"yes"
    ends_with_nothing_left(next_one, clone)


def test_a_start_beside_a_running_one_uses_its_valkey_and_leaves_it_running(up: Up, clone: Path, port: int) -> None:
    first = up(TORIL_DEMO="0")
    has_answered(first)
    second = up(TORIL_DEMO="0", PORT=str(port + 1 if port < 65_535 else port - 1))
    second.has_said("that still runs here", FIRST_START_S)
    has_answered(second)
    second.signal()
    assert second.exit_code() == 0
    assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    assert len([command for command in processes_in(clone).values() if "valkey-server" in command]) == 1
    ends_with_nothing_left(first, clone)


def test_a_child_that_dies_is_named_and_the_rest_is_ended(up: Up, clone: Path) -> None:
    program = up(TORIL_DEMO="0")
    has_answered(program)
    os.kill(pid_of("runmirror", clone), signal.SIGKILL)
    assert program.exit_code() == 1
    assert "bin/up: “mirror” was ended by SIGKILL; its last lines:" in program.text
    assert processes_in(clone) == {}


def test_the_password_of_the_admin_can_be_given(up: Up, clone: Path, port: int, tmp_path: Path) -> None:
    program = up(TORIL_DEMO="0", VAR_DIR=str(tmp_path), TORIL_ADMIN_USER="boss", TORIL_ADMIN_PASSWORD="a good one")
    has_answered(program)
    assert "a good one" not in program.text
    assert re.search(r"user\s+boss", program.text)
    program.signal()
    assert program.exit_code() == 0


def test_without_the_queue_there_is_the_web_alone(up: Up, clone: Path, port: int, tmp_path: Path) -> None:
    program = up(USE_JOB_QUEUE="false", VAR_DIR=str(tmp_path), TORIL_ADMIN_PASSWORD="known")
    has_answered(program)
    commands = " ".join(processes_in(clone).values())
    assert "valkey-server" not in commands
    assert "runworkers" not in commands
    assert "runmirror" not in commands
    assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    with signed_in(port, "known") as client:
        assert "Jobs run in this process; there is no Redis." in client.get("/admin/queues/").text
    ends_with_nothing_left(program, clone)


def test_variables_are_read_from_env_files_too(up: Up, clone: Path, port: int) -> None:
    files = {".env": f"PORT=1{port}\nUSE_JOB_QUEUE=false\n", ".env.local": f"PORT={port}\n"}
    for name, text in files.items():
        (clone / name).write_text(text)
    try:
        program = up(PORT=None)
        program.has_said(f"http://127.0.0.1:{port}/", FIRST_START_S)
        program.signal()
        assert program.exit_code() == 0
    finally:
        for name in files:
            (clone / name).unlink()


def test_the_procfile_runs_under_honcho(up: Up, clone: Path) -> None:
    program = up(TORIL_DEMO="0")
    has_answered(program)
    path = f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    other = free_port()
    environment = plain_environment() | {"PATH": path, "PORT": str(other)}
    with Program([sys.executable, "-m", "honcho", "start"], clone, environment) as honcho:
        try:
            eventually_sync(lambda: answers(other), timeout_s=60)
        except AssertionError:
            pytest.fail("\n".join(honcho.lines[-40:]))
        commands = list(processes_in(clone).values())
        assert sum("runworkers" in command for command in commands) >= 2
        honcho.signal(signal.SIGTERM)
        honcho.exit_code()
        ends_with_nothing_left(program, clone)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx.TransportError:
        return False
