"""docs/processors.md says what the code does: options and fields by name, examples that compile."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from queues import signals
from queues.processors import QueueSettings, Registry
from queues.runs.job import Job, JobFacts, PlainJob

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "processors.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """The names in backquotes in the first column of a section's tables."""
    rows = re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_jobs_fields_are_those_it_has() -> None:
    documented = {re.sub(r"^(await )?job\.(\w+).*$", r"\2", name) for name in first_cells(section("What `job` is"))}
    public = {name for kind in (JobFacts, Job) for name in vars(kind) if not name.startswith("_")}
    assert documented == public
    assert public == {name for kind in (JobFacts, PlainJob) for name in vars(kind) if not name.startswith("_")}


def test_the_decorators_arguments_are_those_it_takes() -> None:
    taken = set(inspect.signature(Registry.processor).parameters) - {"self", "queue", "settings"}
    documented = first_cells(section("Settings of its queue"))
    assert documented == taken | set(QueueSettings.__annotations__)


def test_the_signals_are_those_there_are_with_what_they_say() -> None:
    there = {name for name, value in vars(signals).items() if isinstance(value, signals.JobSignal)}
    assert first_cells(section("Signals")) == there


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_are_python(example: str) -> None:
    compile(example, "docs/processors.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
