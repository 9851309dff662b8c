"""`runworkers --reload`: a change of the code replaces the process, a mistake in it does not."""

from __future__ import annotations

import time

import pytest

from queues import queue
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

JOBS = """
from queues import processor

@processor("work")
async def version(job):
    return {version}
"""


@pytest.fixture
def write(tmp_path):
    """Write the jobs.py of an app."""
    app = tmp_path / "code" / "editedapp"
    app.mkdir(parents=True)
    (app / "__init__.py").write_text("")

    def save(text: str) -> None:
        # As editors do: the file is never half there.
        (app / "new").write_text(text)
        (app / "new").replace(app / "jobs.py")

    return save


def version(sight) -> str:
    job_id = queue("work").sync.add("x").id
    eventually_sync(lambda: "returnvalue" in sight.job(job_id))
    return sight.job(job_id)["returnvalue"]


def test_a_change_is_taken_over_and_a_mistake_waits_for_the_next(start, sight, write, tmp_path):
    write(JOBS.format(version=1))
    environ = {"EXTRA_APPS": "editedapp", "PYTHONPATH": str(tmp_path / "code"), "DEBUG": "1"}
    process = start("--queues", "work", **environ).ready()
    assert version(sight) == "1"
    (first,) = process.children
    write(JOBS.format(version=2))
    process.has_said("jobs.py has changed: all worker processes are replaced")
    process.ready(2)
    eventually_sync(lambda: len(process.children) == 1)
    (second,) = process.children
    assert second != first
    assert version(sight) == "2"
    write("def")
    process.has_said("editedapp.jobs cannot be imported: SyntaxError")
    process.has_said("what runs stays as it is; waiting for the next change")
    assert version(sight) == "2"
    write(JOBS.format(version=4))
    process.ready(3)
    eventually_sync(lambda: len(process.children) == 1)
    assert version(sight) == "4"
    # What a process compiles and writes is no change.
    for name in ("notes.log", "jobs.cpython-311.pyc", ".jobs.py.swp"):
        (tmp_path / "code" / "editedapp" / name).write_text("")
    time.sleep(1)
    assert process.said().count("has changed") == 3, process.said()
    assert process.said().count("cannot be imported") == 1
    assert second not in process.children
    process.popen.terminate()
    assert process.exit_code(3) == 0


def test_a_mistake_at_the_start_is_waited_out(start, sight, write, tmp_path):
    write("import nothing_of_that_name")
    process = start("--reload", EXTRA_APPS="editedapp", PYTHONPATH=str(tmp_path / "code"))
    process.has_said("No module named 'nothing_of_that_name'")
    process.has_said("before it could take jobs; waiting for the next change")
    write(JOBS.format(version=1))
    process.ready()
    assert version(sight) == "1"
    process.popen.terminate()
    assert process.exit_code(3) == 0


def test_it_can_be_left_out(start, write, tmp_path):
    write(JOBS.format(version=1))
    process = start("--no-reload", EXTRA_APPS="editedapp", PYTHONPATH=str(tmp_path / "code"), DEBUG="1").ready()
    assert process.children == []
    process.popen.terminate()
    assert process.exit_code(3) == 0
