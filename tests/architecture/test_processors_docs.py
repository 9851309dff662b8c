"""docs/processors.md says what the code does: options and fields by name, examples that compile."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from queues.worker.job import Job, JobFacts

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "processors.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """The names in backquotes in the first column of a section's tables."""
    rows = re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


async def test_the_options_of_add_are_those_it_takes() -> None:
    from queues import queue
    from queues.errors import InvalidInput

    with pytest.raises(InvalidInput, match="no option 'nonsense'") as refused:
        await queue("mails").add("welcome", nonsense=1)
    known = str(refused.value).partition("it knows ")[2].rstrip(".").split(", ")
    assert set(known) == first_cells(section("Adding jobs"))


def test_the_jobs_fields_are_those_it_has() -> None:
    documented = {re.sub(r"^(await )?job\.(\w+).*$", r"\2", name) for name in first_cells(section("What `job` is"))}
    assigned = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(JobFacts)))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    public = {name for name in assigned | set(vars(Job)) if not name.startswith("_")}
    assert documented == public


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_are_python(example: str) -> None:
    compile(example, "docs/processors.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
