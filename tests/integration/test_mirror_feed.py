"""Who follows or lists rows finds them by an index, however large the table: on either database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from queues.lookups.webhooks import LARGEST
from queues.lookups.webhooks import _rows as rows_of
from queues.models import Delivery, Job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def plan(rows: QuerySet[Any]) -> str:
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # An empty table is read as a whole otherwise.
                cursor.execute("SET LOCAL enable_seqscan = off")
        return rows.explain()


@pytest.mark.parametrize("at", [0, 5_000_000])
def test_what_changed_is_found_without_reading_the_table(at: int) -> None:
    changed = Job.objects.filter(change__gt=at)
    assert "toril_job_change" in plan(changed.order_by("change")[:500])
    assert "toril_job_change" in plan(changed.filter(change__lte=at + 9).order_by("change"))
    assert "toril_job_failure_group" in plan(Job.objects.filter(failure_group=7).order_by("-finished_on_ms"))


def test_deliveries_that_are_due_or_listed_are_found_without_reading_or_sorting_all():
    due = Delivery.objects.filter(endpoint=1, due_at__lte=timezone.now()).order_by("due_at")[:8]
    assert "toril_delivery_due" in plan(due)
    for queues in (None, ["mails"]):
        listed = plan(rows_of(1, queues).filter(state="sent", pk__lt=LARGEST).order_by("-pk")[:50])
        assert "B-TREE" not in listed
        assert "Sort" not in listed
