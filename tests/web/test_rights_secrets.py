"""Secrets on pages are masked; revealing is a right, a POST and a record. Grants are edited in the admin, on record."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.models import QueueGrant
from dashboard.visibility import _regex
from queues.models import AuditEntry, Job, Outcome
from queues.patterns import fits
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import plant_job

SECRET = "hunter2-is-secret"
JOB = "/admin/queues/queue/mails/1"


@pytest.fixture
def job(connection, client_of_redis, prefix) -> None:
    told = f"refused: password={SECRET}"
    plant_job(
        client_of_redis, prefix, "mails", "1", data=f'{{"to": "ana", "password": "{SECRET}"}}',
        opts=f'{{"token": "{SECRET}"}}', returnvalue=f'{{"apiKey": "{SECRET}"}}', progress=f'{{"secret": "{SECRET}"}}',
        failedReason=told, stacktrace=f'["Error: {told}\\n  at x"]', defa=told,
    )  # fmt: skip
    client_of_redis.rpush(f"{prefix}:mails:1:logs", f"Authorization: Bearer {SECRET}")


async def whole(browser: Browser, path: str, **kwargs: object) -> str:
    answer = await browser.get(path, **kwargs)
    return (b"".join([p async for p in answer.streaming_content]) if answer.streaming else answer.content).decode()


@pytest.mark.django_db(transaction=True)
async def test_no_page_shows_a_secret_even_to_who_may_reveal_it(admin, job):
    kept = await Job.objects.acreate(
        queue="mails", job_id="1", data=f'{{"password": "{SECRET}"}}', failed_reason=SECRET
    )
    queries = [
        "",
        "?fragment=job",
        "?fragment=log",
        "?fragment=payload&show=data",
        "?fragment=payload&show=data&view=raw",
    ]
    queries += [f"?field={field}" for field in ("data", "opts", "returnvalue", "progress", "failedReason", "logs")]
    queries += ["?field=stacktrace", "?form=edit", "?form=duplicate", "?fragment=kin", "?fragment=why"]
    paths = [f"{JOB}{query}" for query in queries] + ["/admin/queues/queue/mails?status=failed", "/admin/queues/"]
    paths += ["/admin/queues/queue/mails?status=failed&expand=1", "/admin/queues/flows?queue=mails&id=1"]
    for path in paths:
        assert SECRET not in await whole(admin, path, htmx="fragment" in path), path
    await Job.objects.filter(pk=kept.pk).aupdate(failed_reason=f"password={SECRET}")
    for path in ("/admin/toril/job/", f"/admin/toril/job/{kept.pk}/change/"):
        assert SECRET not in await whole(admin, path), path


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("field", ["data", "opts", "returnvalue", "progress", "failedReason", "stacktrace", "logs"])
async def test_a_field_is_revealed_for_one_answer_and_that_is_recorded(admin, job, field):
    for form in ({}, {"as": "file"}):
        shown = await admin.post(f"{JOB}?action=reveal", {"field": field} | form, htmx=True)
        assert shown.status_code == 200
        assert SECRET in shown.content.decode()
        assert shown["Cache-Control"] == "no-store"
    entries = [entry async for entry in AuditEntry.objects.all()]
    assert [(e.action, e.actor, e.job_id, e.outcome) for e in entries] == [
        ("job.reveal", "admin", "1", Outcome.DONE)
    ] * 2
    assert field in entries[0].parameters
    assert SECRET not in f"{entries[0].parameters}{entries[0].message}"
    assert SECRET not in await whole(admin, JOB)


@pytest.mark.django_db(transaction=True)
async def test_revealing_is_a_right_of_its_own_and_no_address_does_it(operator, admin, job):
    assert "Reveal" in await whole(admin, JOB)
    assert "Reveal" not in await whole(operator, JOB)
    refused = await operator.post(f"{JOB}?action=reveal", {"field": "data"}, htmx=True)
    assert refused.status_code == 403
    assert "toril.reveal_secrets" in refused.content.decode()
    assert SECRET not in await whole(admin, f"{JOB}?action=reveal&field=data")
    assert (await admin.post(f"{JOB}?action=reveal", {"field": "name"})).status_code == 400
    assert (await admin.post(f"{JOB.replace('/1', '/none')}?action=reveal", {"field": "data"})).status_code == 404
    assert {e.outcome async for e in AuditEntry.objects.all()} == {Outcome.REFUSED}


@pytest.mark.django_db(transaction=True)
async def test_without_script_the_field_is_a_page_of_its_own(admin, job):
    answer = await admin.post(f"{JOB}?action=reveal", {"field": "data"})
    assert SECRET in answer.content.decode()
    assert "<html" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
async def test_who_may_not_reveal_cannot_search_behind_the_mask(operator, admin, job):
    await Job.objects.acreate(queue="mails", job_id="9", failed_reason=f"password={SECRET}")
    assert "0 jobs" in await whole(operator, f"/admin/toril/job/?q={SECRET}")
    assert "1 job" in await whole(admin, f"/admin/toril/job/?q={SECRET}")
    found = await whole(operator, f"/admin/queues/queue/mails?status=failed&text={SECRET}")
    assert f'href="{JOB}"' not in found


# --- grants in the admin


@pytest.mark.django_db(transaction=True)
async def test_a_grant_is_given_changed_and_taken_on_record(admin, connection):
    clerk = await signed_in("clerk")
    user = await User.objects.aget(username="clerk")
    form = {"user": user.pk, "group": "", "connection": "*", "queue": "mails-*", "abilities": ["retry"]}
    assert (await admin.post("/admin/toril_dashboard/queuegrant/add/", form)).status_code == 302
    grant = await QueueGrant.objects.aget()
    assert grant.abilities == ["view", "retry"]
    assert (await clerk.get("/admin/queues/")).status_code == 200
    form["abilities"] = ["view"]
    await admin.post(f"/admin/toril_dashboard/queuegrant/{grant.pk}/change/", form)
    await admin.post(f"/admin/toril_dashboard/queuegrant/{grant.pk}/delete/", {"post": "yes"})
    assert (await clerk.get("/admin/queues/")).status_code == 403
    told = [(e.action, e.actor, "mails-*" in e.message) async for e in AuditEntry.objects.order_by("pk")]
    assert told == [(f"grant.{verb}", "admin", True) for verb in ("add", "change", "remove")]


@pytest.mark.django_db(transaction=True)
async def test_nobody_gives_what_they_have_not_got(admin):
    giver = await signed_in("giver", "view", "retry")
    user = await User.objects.aget(username="giver")
    wanted = ["add_queuegrant", "view_queuegrant", "view_user", "view_group"]
    held = [p async for p in Permission.objects.filter(codename__in=["view", "retry", *wanted])]
    await user.user_permissions.aset(held)
    group = await Group.objects.aget(name="viewer")
    form = {"user": "", "group": group.pk, "connection": "*", "queue": "*", "abilities": ["retry", "remove"]}
    refused = await giver.post("/admin/toril_dashboard/queuegrant/add/", form)
    assert "what you have not got yourself" in refused.content.decode()
    assert (await giver.post("/admin/toril_dashboard/queuegrant/add/", form | {"user": user.pk})).status_code == 200
    assert await QueueGrant.objects.acount() == 0
    allowed = await giver.post("/admin/toril_dashboard/queuegrant/add/", form | {"abilities": ["retry"]})
    assert allowed.status_code == 302


@pytest.mark.django_db(transaction=True)
async def test_a_group_gives_its_grants_to_its_members_at_the_next_request(connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "mails", "1")
    clerk = await signed_in("clerk")
    group = await Group.objects.acreate(name="clerks")
    await QueueGrant.objects.acreate(group=group, queue="mails", abilities=["view", "pause"])
    user = await User.objects.aget(username="clerk")
    assert (await clerk.get("/admin/queues/queue/mails")).status_code == 403
    await user.groups.aadd(group)
    assert (await clerk.get("/admin/queues/queue/mails")).status_code == 200
    assert (await clerk.post("/admin/queues/queue/mails?action=pause", htmx=True)).status_code == 200
    await user.groups.aclear()
    assert (await clerk.get("/admin/queues/queue/mails")).status_code == 403


@given(st.text("ab*?\n[^.", max_size=8), st.text("abc*\n[^.", max_size=10))
def test_a_pattern_means_the_same_in_python_and_in_sql(pattern, name):
    assert fits(pattern, name) == bool(re.search(_regex(pattern), name))


@settings(deadline=5_000)
@given(st.integers(1, 60))
def test_a_pattern_of_many_stars_takes_no_time(stars):
    assert not fits("*a" * stars + "b", "a" * 500)
