"""`queues mark_deploy`: one line on the charts, recorded like a click."""

from __future__ import annotations

import pytest

from queues.models import AuditEntry, Deploy
from tests.console import queues

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_deploy_is_marked_and_recorded(connection: str) -> None:
    ran = queues("mark_deploy", " v1.2.3 ")
    assert (ran.code, ran.out) == (0, "Marked “v1.2.3” on the charts.\n")
    deploy, entry = Deploy.objects.get(), AuditEntry.objects.get()
    assert (deploy.label, entry.action, entry.outcome, entry.actor) == ("v1.2.3", "deploy.mark", "done", deploy.actor)
    assert queues("mark_deploy", "v2", "--json").json["label"] == "v2"


@pytest.mark.parametrize("label", ["", "   ", "x" * 101, "two\nlines", "\x1b[31m"])
def test_what_is_no_name_is_refused_and_leaves_no_trace(connection: str, label: str) -> None:
    assert queues("mark_deploy", label).code != 0
    assert not Deploy.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_dry_run_only_says_so(connection: str) -> None:
    assert queues("mark_deploy", "v1", "--dry-run").out == "Dry run: would mark “v1” on the charts.\n"
    assert not Deploy.objects.exists()
