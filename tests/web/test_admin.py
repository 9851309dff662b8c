"""Django's admin: Queue, Job and AuditEntry to read, links both ways, nothing to change, leases out of sight."""

from __future__ import annotations

from html import unescape

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import User
from django.template import Context

from dashboard import links
from dashboard.drawing import from_string
from dashboard.models import OutsideAccount
from queues.models import AuditEntry, Job, Lease, Outcome, Queue
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
NASTY = '<b onclick="x">"\'</b>'


@pytest.fixture
async def records(transactional_db: None) -> dict[str, int]:
    queue = await Queue.objects.acreate(name="a/b", failed=3)
    job = await Job.objects.acreate(
        queue="a/b", job_id="x/1", name=NASTY, state="failed", data=NASTY * 2_000, failed_reason=NASTY + "\nmore",
        stacktrace='["one","two"]', timestamp_ms=10**17,
    )  # fmt: skip
    entry = await AuditEntry.objects.acreate(
        actor="ada", action="job.retry", queue="a/b", job_id="x/1", outcome=Outcome.DONE, message=NASTY
    )
    return {"queue": queue.pk, "job": job.pk, "auditentry": entry.pk}


async def test_lists_and_records_show_and_link_to_the_dashboard(admin, records):
    targets = {
        "queue": links.queue_url("default", "a/b"),
        "job": links.job_url("default", "a/b", "x/1"),
        "auditentry": links.job_url("default", "a/b", "x/1"),
    }
    for model, pk in records.items():
        for path in (f"/admin/toril/{model}/", f"/admin/toril/{model}/{pk}/change/"):
            answer = await admin.get(path)
            assert answer.status_code == 200, path
            page = answer.content.decode()
            assert f'href="{targets[model]}"' in page, path
            assert "<b onclick" not in page, path


async def test_a_large_payload_is_cut(admin, records):
    page = await admin.get(f"/admin/toril/job/{records['job']}/change/")
    assert len(page.content) < 200_000
    assert "the live page has all" in page.content.decode()


@pytest.mark.parametrize("model", ["queue", "job", "auditentry"])
async def test_nobody_adds_changes_or_deletes(admin, records, model):
    pk = records[model]
    before = await Job.objects.acount(), await Queue.objects.acount(), await AuditEntry.objects.acount()
    assert (await admin.get(f"/admin/toril/{model}/add/")).status_code == 403
    for path, data in (
        (f"/admin/toril/{model}/{pk}/change/", {"name": "changed", "_save": "Save"}),
        (f"/admin/toril/{model}/{pk}/delete/", {"post": "yes"}),
        (f"/admin/toril/{model}/add/", {"name": "new"}),
    ):
        assert (await admin.post(path, data)).status_code == 403, path
    await admin.post(f"/admin/toril/{model}/", {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    assert (await Job.objects.acount(), await Queue.objects.acount(), await AuditEntry.objects.acount()) == before
    assert not await Queue.objects.filter(name="changed").aexists()


@pytest.mark.parametrize(
    "query",
    [
        "?q=x/1",
        "?q=%22%27%3C",
        "?state__exact=failed",
        "?queue__exact=a%2Fb&job_id__exact=x%2F1",
        "?q=" + "a" * 5_000,
        "?o=1.2",
        "?p=9999",
        "?nonsense=1",
    ],
)
async def test_searching_and_filtering_never_fails(admin, records, query):
    for model in records:
        assert (await admin.get(f"/admin/toril/{model}/{query}")).status_code in (200, 302)


async def test_the_dashboards_links_lead_to_just_these_records(admin, records):
    await Job.objects.acreate(queue="a", job_id="b/1", state="failed", name="another")
    job = await Job.objects.aget(pk=records["job"])
    context = Context({"job": job, "queue": await Queue.objects.aget(pk=records["queue"])})
    drawn = "{% load toril %}{% records_url job %} {% audit_url job %} {% records_url queue %} {% audit_url queue %}"
    for address in from_string(drawn).render(context).split():
        answer = await admin.get(unescape(address))
        assert answer.status_code == 200
        assert [result.queue for result in answer.context["cl"].result_list] == ["a/b"]


async def test_what_coordinates_processes_is_not_shown():
    for model in (Lease, OutsideAccount):
        assert not django_admin.site.is_registered(model)


async def test_staff_see_records_as_they_see_queues(viewer, records):
    nobody = await signed_in("nobody")
    for model in records:
        assert (await nobody.get(f"/admin/toril/{model}/")).status_code == 403
    for model, status in (("queue", 200), ("job", 200), ("auditentry", 403)):
        assert (await viewer.get(f"/admin/toril/{model}/")).status_code == status
    assert (await (await signed_in("auditor", "view", "view_audit")).get("/admin/toril/auditentry/")).status_code == 200


async def test_the_admin_has_no_sign_in_of_its_own(anonymous, admin, stranger):
    assert (await anonymous.get("/admin/login/?next=//evil.example"))["Location"].startswith("/sign-in?")
    assert (await stranger.get("/admin/login/")).status_code == 403
    assert (await admin.get("/admin/login/"))["Location"] == "/admin/"


async def test_signing_out_of_the_admin_signs_out(admin):
    await admin.post("/admin/logout/")
    assert (await admin.get("/admin/"))["Location"].startswith("/sign-in")


async def test_staff_change_their_password_and_stay_signed_in(viewer):
    form = {"old_password": "viewer-password", "new_password1": "Tor1l-gate-9!", "new_password2": "Tor1l-gate-9!"}
    assert (await viewer.post("/admin/password_change/", form)).status_code == 302
    assert (await viewer.get("/admin/password_change/")).status_code == 200
    assert await (await User.objects.aget(username="viewer")).acheck_password("Tor1l-gate-9!")
