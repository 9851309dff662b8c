"""`queues operations`: what is under way is listed, shown and steered from a shell."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync

from queues.models import AuditEntry, Operation
from queues.operations import Target
from queues.states import State
from tests.console import queues
from tests.operating import begun

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operation(connection: str) -> Operation:
    begin = async_to_sync(begun)
    row = begin(Target.of_state(connection, ["chat"], [State.FAILED]), "retry", "the mail\x1b[31m server is back")
    Operation.objects.filter(pk=row.pk).update(is_collected=True, total=5, done=3, stayed=1, speed=10.0)
    row.items.create(seq=4, queue="chat", job_id="7", state="failed", outcome=3, note="it is read-only")
    return row


def test_those_of_the_connection_are_listed_and_that_no_mirror_runs_is_said(operation: Operation) -> None:
    ran = queues("operations")
    assert ran.lines[1].split() == [str(operation.pk), "retry", "running", "ana", "3", "1", "0", "1"]
    assert "No mirror runs" in ran.err
    (told,) = queues("operations", "list", "--json").json["operations"]
    assert (told["operation"], told["queues"], told["left"]) == (operation.pk, ["chat"], 1)


def test_one_is_shown_with_who_was_left_alone_and_no_control_character(operation: Operation) -> None:
    ran = queues("operations", "show", str(operation.pk))
    assert "\\x1b[31m server is back" in ran.out
    assert ran.lines[-1] == "  chat/7: it is read-only"
    assert queues("operations", "show", str(operation.pk), "--json").json["left_alone"][0]["id"] == "7"


def test_it_is_paused_resumed_and_cancelled_on_record(operation: Operation) -> None:
    number = str(operation.pk)
    for word, phase in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert queues("operations", word, number, "--dry-run").out == f"Dry run: would {word} operation {number}.\n"
        assert queues("operations", word, number).code == 0
        operation.refresh_from_db()
        assert operation.phase == phase
    acts = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert acts == ["operation.begin", "operation.pause", "operation.resume", "operation.cancel"]
    assert queues("operations", "resume", number).code == 1


@pytest.mark.parametrize(("words", "code"), [(["show", "99"], 3), (["show"], 2), (["list", "3"], 2)])
def test_what_cannot_be_meant_is_said(connection: str, words: list[str], code: int) -> None:
    assert queues("operations", *words).code == code


def test_where_there_are_none_it_says_so(connection: str) -> None:
    assert queues("operations").out == "There are no operations.\n"
