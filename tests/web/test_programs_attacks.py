"""What a program with little right tries at the APIs: names of hidden queues, figures without end, what logs keep."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from dashboard.models import QueueGrant
from queues import queue
from queues.models import AlertNotice
from tests.web.conftest import signed_in
from tests.web.test_v1_jobs import sent

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_parent_in_a_hidden_queue_is_named_nowhere(admin, connection):
    below = [{"queue": "mails", "name": "below", "job_id": "below"}]
    await queue("payroll").add_flow("above", children=below, job_id="above")
    await queue("mails").add_flow(
        "root", children=[{"queue": "mails", "name": "leaf", "job_id": "leaf"}], job_id="root"
    )
    half = await signed_in("half")
    user = await User.objects.aget(username="half")
    await QueueGrant.objects.acreate(user=user, queue="mails", abilities=["view"])
    for path in ("/mails/jobs/below", "/mails/jobs?search=below", "/mails/jobs", "/mails/jobs/below/flow"):
        answer = await sent(half, "get", f"/api/v1/queues{path}")
        assert answer.status_code == 200, answer.content
        assert b"payroll" not in answer.content, path
    for who, job_id, above in ((half, "leaf", "mails:root"), (admin, "below", "payroll:above")):
        told = (await sent(who, "get", f"/api/v1/queues/mails/jobs/{job_id}")).json()
        assert told["parent"].endswith(above)


async def test_so_many_percentiles_and_no_more(admin, connection):
    for count, status in ((20, 200), (21, 400), (2_000, 400)):
        shares = ",".join(str(at / 50) for at in range(count))
        path = f"/admin/queues/api/metrics/latency?metric=runtime&percentiles={shares}"
        assert (await sent(admin, "get", path)).status_code == status, count


async def test_a_message_that_did_not_arrive_names_no_hidden_queue(admin, connection):
    """Also to whoever makes rules for all queues, and sees a few."""
    browser = await signed_in("ruler")
    user = await User.objects.aget(username="ruler")
    await QueueGrant.objects.acreate(user=user, queue="mails", abilities=["view"])
    await user.user_permissions.aadd(await Permission.objects.aget(codename="alerts"))
    told = {"rule": "built-in:backlog", "kind": "fired", "made_at": timezone.now(), "channel": "ops"}
    await AlertNotice.objects.acreate(title="[Toril] Backlog: payroll", tries=1, answer="It answered 500.", **told)
    page = (await browser.get("/admin/queues/alerts")).content.decode()
    assert "?form=rule" in page
    assert "payroll" not in page
    assert "payroll" in (await admin.get("/admin/queues/alerts")).content.decode()


async def test_of_very_many_mistakes_the_first_are_told(admin, connection):
    body = {f"field{at}": at for at in range(2_000)}
    answer = await sent(admin, "post", "/api/v1/queues/chat/jobs", body)
    told = answer.json()
    assert (answer.status_code, told["detail"]) == (400, "body/name: Field required (and 2,000 more)")
    assert len(told["errors"]) == 100
