"""docs/tasks.md and docs/testing.md say what the code does: options, fixtures and arguments, examples that compile."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from queues import testing
from queues.tasks import addressing, backend
from queues.tasks.api import Task
from queues.tasks.task import TorilTask
from queues.testing.captured import CapturedJobs, InlineJobs

DOCS = Path(__file__).resolve().parents[2] / "docs"
TASKS, TESTING = (DOCS / "tasks.md").read_text(), (DOCS / "testing.md").read_text()


def first_cells(text: str) -> set[str]:
    rows = re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def section(page: str, title: str) -> str:
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_options_of_the_backend_are_those_it_knows() -> None:
    assert first_cells(section(TASKS, "Which tasks run")) - {"OPTIONS"} == backend._OPTIONS


def test_the_arguments_of_a_task_are_those_it_takes() -> None:
    own = set(TorilTask.__dataclass_fields__) - set(Task.__dataclass_fields__)
    assert first_cells(section(TASKS, "Retries")) == own


def test_the_priorities_are_those_of_the_jobs() -> None:
    for task, job in re.findall(r"(-?\d+) becomes (\d+)", TASKS):
        assert addressing.job_priority(int(task)) == int(job)
        assert addressing.task_priority(int(job)) == int(task)
    assert f"At most {addressing.LONGEST_QUEUE} characters" in TASKS


def test_the_fixtures_are_all_there() -> None:
    fixtures = {name for name in testing.__all__ if name[0].islower()}
    assert first_cells(TESTING.partition("## ")[0]) == fixtures


def test_what_a_captured_job_tells_is_there() -> None:
    job = set(testing.CapturedJob.__dataclass_fields__) | set(vars(testing.CapturedJob))
    assert first_cells(section(TESTING, "What was added")) <= job
    for name in ("of", "one", "clear"):
        assert f"`{name}(" in TESTING
        assert hasattr(CapturedJobs, name)
    assert hasattr(InlineJobs, "failed")
    assert hasattr(InlineJobs, "raises")


def test_the_arguments_of_run_until_empty_are_those_it_takes() -> None:
    taken = inspect.signature(testing.RunUntilEmpty.__call__).parameters
    options = {name: p.default for name, p in taken.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", section(TESTING, "Until nothing is left"), re.MULTILINE)
    assert {name: ast.literal_eval(default) for name, default in rows} == options


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", TASKS + TESTING, re.DOTALL))
def test_the_examples_are_python(example: str) -> None:
    compile(example, "docs", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
