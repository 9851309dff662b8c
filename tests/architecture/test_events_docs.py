"""docs/events.md names every event that a program or a webhook is told, with the fields that the code gives it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from dashboard.live import notice
from dashboard.live.facts import Facts
from queues.alerting import messages
from queues.delivery import outbox
from queues.delivery.selecting import Happening
from queues.mirror import endings, happenings
from queues.models import Alert, Job, Operation
from queues.models.webhook import KINDS, TEST
from queues.protocol.events import Event

ROOT = Path(__file__).resolve().parents[2]
SOCKET, WEBHOOK = (ROOT / "docs" / "events.md").read_text().split("## To a webhook")
NAME = re.compile(r"`([\w?]+)`")


def rows(page: str) -> dict[str, list[str]]:
    """Event → its fields, as the page lists them."""
    return {name: NAME.findall(cell) for name, cell in re.findall(r"^\| `([a-z.:]+)` \|([^|]*)\|", page, re.MULTILINE)}


def marked(always: dict[str, Any], more: dict[str, Any]) -> list[str]:
    """The fields, those with `?` that are only there when there is more to say."""
    return [*(name for name in always), *(f"{name}?" for name in more if name not in always)]


# --- what a program hears


def heard(type: str, facts: Facts | None, **fields: bytes) -> dict[str, Any]:
    event = Event("chat", "1-0", type, "7", {name.encode(): value for name, value in fields.items()})
    found = notice.notice_of(event, facts)
    assert found is not None
    told: dict[str, Any] = json.loads(found.full.text)
    return told


@pytest.mark.parametrize(("type", "step"), notice.STEPS.items())
def test_what_is_told_of_a_job_carries_the_fields_of_its_row(type: str, step: str) -> None:
    facts = Facts("reply", {}, 0)
    most = heard(type, facts, data=b"50") | heard(type, facts, data=b"x" * (notice.LARGEST_CHARS + 1))
    least = {name: value for name, value in heard(type, None, data=b"50").items() if not name.startswith("progress")}
    fields = [name for name in marked(least, most) if name != "type"]
    assert rows(SOCKET)[f"job:{step}"] == fields


def said_by_name() -> Iterator[tuple[str, set[str]]]:
    """Each `message("name", field=…)` in the code, with the fields that it names."""
    for path in (ROOT / "dashboard" / "live").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "message":
                name = node.args[0] if node.args else None
                if isinstance(name, ast.Constant):
                    yield str(name.value), {word.arg for word in node.keywords if word.arg}


def test_whatever_else_is_told_has_its_row_with_the_fields_that_it_names() -> None:
    told = dict(said_by_name())
    listed = {name: fields for name, fields in rows(SOCKET).items() if not name.startswith("job:")}
    assert set(listed) == set(told)
    for name, fields in told.items():
        assert fields <= {field.rstrip("?") for field in listed[name]}, name


# --- what a webhook is told


def test_every_kind_has_its_row() -> None:
    assert list(rows(WEBHOOK)) == [*KINDS, TEST]


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_an_ending_carries_the_fields_of_its_row(state: str) -> None:
    job = Job(connection="default", queue="chat", job_id="1", name="reply", state=state, timestamp_ms=1)
    told = endings._happening("key", job)
    large = json.dumps("x" * (outbox.LONGEST_FIELD + 1))
    filled = endings._with_payload(told, {"data": large, "return_value": "1", "failed_reason": "no"})
    least, most = (json.loads(outbox.body_of(filled, with_payload=asked))["data"] for asked in (False, True))
    assert rows(WEBHOOK)[told.kind] == marked(least, most)


def told_by(tell: Any) -> tuple[str, list[str]]:
    with mock.patch.object(happenings, "tell") as telling:
        tell()
    kind, data = telling.call_args.args
    return kind, list(data)


@pytest.mark.parametrize("kind", ["queue.paused", "queue.resumed"])
def test_a_pause_carries_the_fields_of_its_row(kind: str) -> None:
    assert told_by(lambda: happenings._tell(kind, "default", "chat")) == (kind, rows(WEBHOOK)[kind])


def test_an_operation_carries_the_fields_of_its_row() -> None:
    row = Operation(connection="default", queues='["chat"]', action="retry", ended_at=timezone.now())
    kind, fields = told_by(lambda: happenings._tell_end(row))
    assert (kind, fields) == ("operation.ended", rows(WEBHOOK)["operation.ended"])


@pytest.mark.parametrize("kind", ["alert.fired", "alert.cleared"])
def test_an_alert_carries_the_fields_of_its_row(kind: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    alert = Alert(pk=1, rule_name="backlog", kind="backlog", connection="default", queue="chat", since=now, value=1)
    assert list(messages.data(alert)) == rows(WEBHOOK)[kind]


def test_a_test_carries_the_fields_of_its_row() -> None:
    source = ast.parse((ROOT / "queues" / "delivery" / "steering.py").read_text())
    (made,) = (
        node.value
        for function in ast.walk(source)
        if isinstance(function, ast.AsyncFunctionDef) and function.name == "test"
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    )
    assert [ast.literal_eval(key) for key in made.keys if key] == rows(WEBHOOK)[TEST]
    assert Happening(TEST, "default", "", {}, timezone.now(), "key").kind == TEST
