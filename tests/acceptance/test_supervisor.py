"""The supervisor of bin/up with stub children: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.program import Program, kill, plain_environment, processes_in
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

TROUPE = Path(__file__).with_name("troupe.py")
Perform = Callable[[list[list[dict[str, Any]]]], Program]


def stub(name: str, script: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "script": script or f"until_asked(lambda: tell('{name} ends'))", **more}


@pytest.fixture
def perform(tmp_path: Path) -> Iterator[Perform]:
    """Start a supervisor with these phases of stub children."""
    with ExitStack() as stack:

        def start(phases: list[list[dict[str, Any]]]) -> Program:
            (tmp_path / "phases.json").write_text(json.dumps(phases))
            return stack.enter_context(Program([sys.executable, TROUPE, tmp_path], tmp_path))

        yield start


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], list[str]]:
    """What the children have told so far."""
    file = tmp_path / "told"
    return lambda: file.read_text().splitlines() if file.exists() else []


def pid_of(name: str, folder: Path) -> int:
    return next(pid for pid, command in processes_in(folder).items() if f"tell('{name} ends')" in command)


SLOW_WORKER = "until_asked(lambda: (time.sleep(0.5), tell('worker ends')))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_phases_end_in_reverse_each_only_when_the_last_is_gone(
    perform: Perform, told: Callable[[], list[str]], tmp_path: Path, number: int
) -> None:
    program = perform([[stub("valkey")], [stub("worker", SLOW_WORKER)], [stub("web")]])
    program.has_said("all stand")
    program.signal(number)
    assert program.exit_code() == 0
    assert told() == ["web ends", "worker ends", "valkey ends"]
    assert processes_in(tmp_path) == {}


def test_a_child_that_dies_is_named_with_its_last_lines_and_the_rest_is_ended(
    perform: Perform, told: Callable[[], list[str]], tmp_path: Path
) -> None:
    dying = "print('one\\ntwo', flush=True); sys.stderr.write('three'); sys.exit(3)"
    program = perform([[stub("valkey")], [stub("worker")], [stub("mirror", dying)]])
    assert program.exit_code() == 1
    assert "“mirror” ended with exit code 3: ['one', 'two', 'three']" in program.text
    assert told() == ["worker ends", "valkey ends"]
    assert processes_in(tmp_path) == {}


def test_a_child_ended_by_a_signal_is_named_with_that_signal(perform: Perform, tmp_path: Path) -> None:
    program = perform([[stub("worker")]])
    program.has_said("all stand")
    os.kill(pid_of("worker", tmp_path), signal.SIGKILL)
    assert program.exit_code() == 1
    assert "“worker” was ended by SIGKILL" in program.text


def test_one_that_may_end_may_end(perform: Perform) -> None:
    program = perform([[stub("web"), stub("traffic", "print('enough')", may_end=True)]])
    program.has_said("has ended")
    program.has_said("all stand")
    program.signal()
    assert program.exit_code() == 0


def test_a_child_that_does_not_end_is_killed_with_all_it_started(perform: Perform, tmp_path: Path) -> None:
    stubborn = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "until_asked.__globals__['signal'] = type('', (), {'signal': print, 'SIGTERM': 0}); until_asked()"
    )
    program = perform([[stub("worker", stubborn, patience_s=0.3)]])
    program.has_said("all stand")
    program.signal()
    assert program.exit_code() == 0
    assert "killing" in program.text
    eventually_sync(lambda: processes_in(tmp_path) == {}, what="no process left")


def test_a_second_ctrl_c_waits_no_longer(perform: Perform, told: Callable[[], list[str]]) -> None:
    program = perform([[stub("valkey")], [stub("worker", "until_asked(lambda: (tell('drains'), time.sleep(60)))")]])
    program.has_said("all stand")
    program.signal()
    eventually_sync(lambda: "drains" in told())
    program.signal()
    assert program.exit_code(timeout_s=5) == 0
    assert told() == ["drains", "valkey ends"]


def test_the_children_live_in_sessions_of_their_own_so_that_a_terminal_reaches_only_the_supervisor(
    perform: Perform, tmp_path: Path
) -> None:
    program = perform([[stub("valkey"), stub("web")]])
    program.has_said("all stand")
    sessions = {os.getsid(pid) for pid in processes_in(tmp_path)}
    assert len(sessions) == len(processes_in(tmp_path))
    program.signal()
    assert program.exit_code() == 0


def test_a_supervisor_that_is_killed_leaves_a_keeper_that_ends_its_children_in_order(
    perform: Perform, told: Callable[[], list[str]], tmp_path: Path
) -> None:
    program = perform([[stub("valkey", is_shared=True)], [stub("worker", SLOW_WORKER)], [stub("web")]])
    program.has_said("all stand")
    kill(program.pid)
    eventually_sync(lambda: processes_in(tmp_path) == {}, what="no process left")
    assert told() == ["web ends", "worker ends", "valkey ends"]


def test_what_another_supervisor_lives_on_as_well_is_left_running_until_the_last_one_ends(
    perform: Perform, told: Callable[[], list[str]], tmp_path: Path
) -> None:
    first = perform([[stub("valkey", is_shared=True)], [stub("web")]])
    first.has_said("all stand")
    second = perform([[stub("worker")]])
    second.has_said("all stand")
    first.signal()
    assert first.exit_code() == 0
    assert told() == ["web ends"]
    assert pid_of("valkey", tmp_path)
    second.signal()
    assert second.exit_code() == 0
    assert told() == ["web ends", "worker ends"]


def test_a_killed_supervisors_keeper_leaves_what_another_lives_on(
    perform: Perform, told: Callable[[], list[str]], tmp_path: Path
) -> None:
    first = perform([[stub("valkey", is_shared=True)], [stub("web")]])
    first.has_said("all stand")
    second = perform([[stub("worker")]])
    second.has_said("all stand")
    kill(first.pid)
    eventually_sync(lambda: len(processes_in(tmp_path)) == 4, what="valkey, and the second with keeper and worker")
    assert told() == ["web ends"]
    assert pid_of("valkey", tmp_path)


def test_it_obeys_sigint_even_where_the_shell_had_it_ignored(perform: Perform, tmp_path: Path) -> None:
    (tmp_path / "phases.json").write_text(json.dumps([[stub("web")]]))
    background = ["/bin/sh", "-c", f"trap '' INT; exec {sys.executable} {TROUPE} {tmp_path}"]
    with Program(background, tmp_path) as program:
        program.has_said("all stand")
        program.signal(signal.SIGINT)
        assert program.exit_code() == 0


def test_it_ends_everything_where_nobody_reads_what_it_says(told: Callable[[], list[str]], tmp_path: Path) -> None:
    chatty = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(tell('web ends')))\nwhile True: print('so'); time.sleep(.01)"
    )
    (tmp_path / "phases.json").write_text(json.dumps([[stub("valkey")], [stub("web", chatty)]]))
    process = subprocess.Popen(
        [sys.executable, "-u", TROUPE, tmp_path],
        cwd=tmp_path,
        env=plain_environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert told() == ["web ends", "valkey ends"]


def test_odd_output_is_shown_line_by_line_and_a_quiet_child_is_not_shown(perform: Perform) -> None:
    odd = "sys.stdout.buffer.write(b'\\xff\\n' + b'x' * 300_000 + b'\\nlast\\n'); sys.stdout.flush(); until_asked()"
    quiet = "print('secret', flush=True); until_asked()"
    program = perform([[stub("web", odd), stub("valkey", quiet, is_quiet=True)]])
    program.has_said("all stand")
    program.has_said("last")
    program.signal()
    assert program.exit_code() == 0
    assert "web       │ \ufffd" in program.text
    assert "secret" not in program.text
    assert max(map(len, program.lines)) < 2_100
