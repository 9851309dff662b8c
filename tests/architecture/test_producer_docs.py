"""docs/producer.md says what the code does: options, methods and fields by name, examples that compile."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from queues.producer import Deduplication, FoundScheduler, JobHandle, QueueEvent, QueueHandle
from queues.producer.checks import (
    CHECKS,
    MAX_JOB_ID,
    MAX_JOB_NAME,
    MAX_PRIORITY,
    MAX_QUEUE_NAME,
    MAX_SCHEDULER_ID,
)
from queues.producer.job import FoundJob
from queues.producer.many import DEEPEST, MOST_IN_FLOW
from queues.protocol import bulk, results, steering
from queues.protocol.adding import FAILURE_FLAGS
from queues.protocol.codec import JobRecord
from queues.protocol.scheduling import Schedule

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "producer.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """The names in backquotes in the first column of a section's tables."""
    rows = re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def called(text: str, on: str) -> set[str]:
    """`await job.logs(start, count)` → `logs`."""
    return {found[1] for name in first_cells(text) if (found := re.match(rf"(?:await )?{on}\.(\w+)", name))}


def public(kind: Any) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_options_of_add_are_those_it_takes() -> None:
    assert first_cells(section("Adding a job")) == {*CHECKS, "on_commit", "using"}


def test_the_methods_of_a_queue_are_all_there() -> None:
    documented = called(section("The queue"), "queue") | called(section("Schedulers"), "queue")
    elsewhere = {"add", "add_bulk", "add_flow", "job", "get_job", "events", "upsert_scheduler"}
    elsewhere |= {"deduplicated", "remove_deduplication"}
    assert documented | elsewhere == public(QueueHandle)
    assert all(re.search(rf"\b{name}\(", PAGE) for name in elsewhere)


def test_the_methods_of_a_job_are_all_there() -> None:
    methods, read = section("One job").split("| field of a job that was read | |")
    assert called(methods, "job") == public(JobHandle) - {"connection", "id", "name", "queue", "written_as"}
    record = {field.name for field in fields(JobRecord)} - {"exists", "opts", "data_size"}
    own = {name for name in FoundJob.__slots__ if name != "record"} | {"queue", "connection", "stacktrace"}
    assert first_cells(read) == record | own


def test_the_fields_of_an_event_are_all_there() -> None:
    assert first_cells(section("Events")) == {field.name for field in fields(QueueEvent)}


def test_the_arguments_of_a_scheduler_and_its_fields_are_all_there() -> None:
    arguments, _, read = section("Schedulers").partition("| method | |")
    own = set(inspect.signature(QueueHandle.upsert_scheduler).parameters) - {"self", "options"}
    assert first_cells(arguments) - {"argument of `upsert_scheduler`", "upsert_scheduler"} == own
    row = read.partition("get_scheduler")[2].partition("\n")[0]
    told = set(re.findall(r"`(\w+)`", row)) - {"None"}
    assert told == {field.name for field in fields(Schedule)} - {"opts"} | {"options"}
    assert set(FoundScheduler.__slots__) >= {"data", "options"}


def test_deduplication_and_policies_are_all_there() -> None:
    assert first_cells(section("Deduplication")) == {field.name for field in fields(Deduplication)} - {"id"}
    assert first_cells(section("Flows")) - {"on_failure"} == set(FAILURE_FLAGS)


def test_the_bounds_are_those_of_the_code() -> None:
    for bound in (MAX_PRIORITY, MAX_QUEUE_NAME, MAX_JOB_ID, MAX_SCHEDULER_ID, MOST_IN_FLOW, results.LOOK_BACK):
        assert f"{bound:,}" in PAGE, bound
    assert MAX_JOB_NAME == MAX_JOB_ID
    assert f"up to {DEEPEST} deep" in section("Flows")
    assert f"pieces of {bulk.CHUNK_JOBS} jobs" in PAGE
    assert f"calls of {steering.CHUNK} jobs" in PAGE
    assert f"every {results.ASK_S:g} s" in PAGE


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_are_python(example: str) -> None:
    compile(example.replace("…", "..."), "docs/producer.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
