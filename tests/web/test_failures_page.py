"""The pages of failures: what is seen of a group, by whom; what people do with it, and what they may not."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth.models import User

from dashboard.models import QueueGrant
from queues.models import AuditEntry, Deploy, FailureCause, FailureEvent, FailureGroup, FailureSpot, Job, Queue
from tests.failing import failed_job, grouped, in_database, plant_group, python_stack, regrouped
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, is_inert, text_of

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/admin/queues/failures"


async def html(browser, path: str, status: int = 200, **asked) -> str:
    answer = await browser.get(path, **asked)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


async def sees_mails(*abilities: str):
    browser = await signed_in("granted")
    user = await User.objects.aget(username="granted")
    await QueueGrant.objects.acreate(user=user, queue="mails*", abilities=["view", *abilities])
    # As the mirror keeps every queue that there is or was.
    await Queue.objects.abulk_create([Queue(name=name) for name in ("mails", "chat", "secret")])
    return browser


async def test_the_list_tells_each_cause_with_its_counts(admin, connection):
    stack = python_stack("app.errors.PlanError", "tenant 4 has no plan")
    jobs = [failed_job(n, f"tenant {n} has no plan", name="bill", stack=stack) for n in range(5)]
    await grouped(*jobs, failed_job("t", "no answer within 3 s", kind="TimeoutError", queue="chat"))
    page = await html(admin, BASE)
    told = text_of(page)
    assert "2 groups, 6 failures in the last 24h" in told
    assert "PlanError tenant number has no plan" in told
    assert told.index("PlanError") < told.index("TimeoutError")
    assert "1 failure in the last 24h, at most 1 in a column" in page
    assert "TimeoutError" not in text_of(await html(admin, f"{BASE}?q=PLAN"))
    assert "No group fits" in await html(admin, f"{BASE}?q=nothing-like-this")
    only = text_of(await html(admin, f"{BASE}?queue=chat"))
    assert "1 group, 1 failures" in only or "1 group, 1 failure" in only
    for odd in ("window=9y", "page=0", "page=99999999", "sort=x", "show=x", "q=%00%27", "queue=%F0%9F%92%A9"):
        await html(admin, f"{BASE}?{odd}")
    assert (await admin.get(f"{BASE}?fragment=rows", htmx=True)).content.decode().lstrip().startswith("<div id=")


async def test_without_a_mirror_the_page_says_what_is_off(admin, connection):
    page = text_of(await html(admin, BASE))
    assert "none has run yet" in page
    assert "Nothing failed that is not dealt with" in page


async def test_in_process_it_is_said_why_there_are_no_groups(admin, settings):
    from queues.options import reset_options

    settings.TORIL = {**getattr(settings, "TORIL", {}), "USE_JOB_QUEUE": False}
    reset_options()
    assert "each queue lists its failed jobs" in await html(admin, BASE)
    await html(admin, f"{BASE}/1", 404)


async def test_new_since_the_last_deploy_are_those_that_nobody_had_seen_before(admin, connection):
    now = int(time.time() * 1000)
    old = [failed_job("o", "old trouble", kind="OldError", at_ms=now - 600_000)]
    await grouped(*old, failed_job("o2", "old trouble", kind="OldError", at_ms=now))
    await Deploy.objects.acreate(at="2020-01-01T00:00:00Z", label="v1")
    deploy = await Deploy.objects.acreate(at="2020-01-01T00:00:00Z", label="v2.0")
    await Deploy.objects.filter(pk=deploy.pk).aupdate(
        at=f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now / 1000 - 60))}"
    )
    await grouped(failed_job("n", "new trouble", kind="NewError", at_ms=now))
    new = text_of(await html(admin, f"{BASE}?show=new"))
    assert "New since v2.0 1" in new
    assert "NewError" in new
    assert "OldError" not in new
    assert "OldError" in text_of(await html(admin, BASE))


async def test_one_group_shows_its_jobs_its_stack_and_leads_to_what_can_be_done(admin, connection):
    reason = "password=hunter2-very for tenant 4"
    (job,) = await grouped(failed_job("j-1", reason, stack=python_stack("app.PlanError", reason)))
    page = await html(admin, f"{BASE}/{job.failure_group}")
    assert "hunter2" not in page
    told = text_of(page)
    assert "PlanError password=••• for tenant number" in told
    assert "mail/jobs.py send" in told
    assert "j-1" in told
    for do in ("retry", "move", "remove"):
        assert f"operations/new?group={job.failure_group}&amp;do={do}" in page
    assert "1 job is still failed" in told
    figures = await html(admin, f"{BASE}/{job.failure_group}?fragment=figures", htmx=True)
    assert figures.count("<hx-partial") == 4
    await Job.objects.filter(pk=job.pk).aupdate(removed_at="2026-11-23T10:00:00Z")
    gone = await html(admin, f"{BASE}/{job.failure_group}")
    assert "gone from Redis" in gone
    assert "operations/new" not in gone
    await html(admin, f"{BASE}/{job.failure_group + 1}", 404)
    await html(admin, f"{BASE}/99999999999999999999999", 404)


async def test_a_group_is_seen_and_counted_only_as_far_as_its_queues_are(connection):
    jobs = [failed_job(n, "boom", kind="SharedError", queue="mails" if n < 2 else "secret") for n in range(5)]
    await grouped(*jobs, failed_job(9, "boom", kind="HiddenError", queue="secret"))
    shared, hidden = [(await Job.objects.aget(job_id=str(n))).failure_group for n in (0, 9)]
    browser = await sees_mails("view_payload")
    listed = await html(browser, f"{BASE}?show=all")
    assert "1 group, 2 failures" in text_of(listed)
    one = await html(browser, f"{BASE}/{shared}")
    answer = await browser.get(f"{BASE}/{shared}?format=csv")
    exported = b"".join([piece async for piece in answer.streaming_content]).decode()
    for told in (listed, one, exported):
        assert "secret" not in told
        assert "HiddenError" not in told
    assert "No group fits" in await html(browser, f"{BASE}?queue=secret&show=all")
    assert "failed 2 times" in text_of(one)
    assert exported.count("\r\n") == 3
    await html(browser, f"{BASE}/{hidden}", 404)


async def test_without_the_right_to_payloads_a_group_has_a_name_and_counts_and_no_text(connection):
    (job,) = await grouped(failed_job("j-1", "carried text", kind="CarriedError", stack=python_stack("E", "carried")))
    browser = await sees_mails()
    for path in (BASE, f"{BASE}/{job.failure_group}", f"{BASE}/{job.failure_group}?form=split"):
        page = await html(browser, path)
        assert "carried" not in page.lower(), path
        assert "jobs.py" not in page
    assert "send" in await html(browser, BASE)
    # Neither does a filter find in it.
    assert "No group fits" in await html(browser, f"{BASE}?q=carried")


async def test_whoever_may_triage_resolves_ignores_reopens_assigns_and_notes(connection):
    (job,) = await grouped(failed_job(1, "boom"))
    browser, group = await sees_mails("triage"), job.failure_group
    at = f"{BASE}/{group}"

    async def does(action: str, status: int = 303, **form: str) -> str:
        answer = await browser.post(f"{at}?action={action}", form)
        assert answer.status_code == status, answer.content[:400]
        return answer.content.decode()

    await does("resolve")
    assert "resolved by granted" in text_of(await html(browser, at))
    await does("resolve", 409)
    await does("ignore")
    assert "Ignored 1" in text_of(await html(browser, BASE))
    await does("reopen")
    await does("assign", me="1")
    assert "given to granted" in text_of(await html(browser, at))
    await does("assign", 400, user="nobody-of-this-name")
    await does("assign", user="")
    await does("note", text="Seen <b>before</b>: see ticket 12")
    await does("note", 400, text=" ")
    page = await html(browser, at)
    assert "Seen &lt;b&gt;before&lt;/b&gt;" in page
    await does("nonsense", 400)
    told = [entry.action async for entry in AuditEntry.objects.filter(outcome="done").order_by("pk")]
    assert told == [f"failure.{a}" for a in ("resolve", "ignore", "reopen", "assign", "assign", "note")]
    kinds = [event.kind async for event in FailureEvent.objects.order_by("pk")]
    assert kinds == ["resolved", "ignored", "reopened", "assigned", "assigned", "noted"]


async def test_triage_is_needed_in_every_queue_of_the_group_that_is_seen(connection):
    jobs = await grouped(failed_job(1, "boom"), failed_job(2, "boom", queue="chat"))
    browser = await sees_mails("triage")
    await QueueGrant.objects.acreate(user=await User.objects.aget(username="granted"), queue="chat", abilities=["view"])
    answer = await browser.post(f"{BASE}/{jobs[0].failure_group}?action=resolve")
    assert answer.status_code == 403
    assert "toril.triage" in answer.content.decode()
    assert (await FailureGroup.objects.aget()).status == "open"


async def test_merged_groups_are_one_and_split_again_two_with_all_their_counts(admin, connection):
    first, second = await grouped(failed_job(1, "boom", kind="AError"), failed_job(2, "bang", kind="BError"))
    one, two = first.failure_group, second.failure_group
    assert "BError" in await html(admin, f"{BASE}/{one}?form=merge")
    assert (await admin.post(f"{BASE}/{one}?action=merge", {"group": [two]})).status_code == 303
    await regrouped()
    assert {job.failure_group async for job in Job.objects.all()} == {one}
    moved = await admin.get(f"{BASE}/{two}")
    assert moved.status_code == 302
    assert moved["Location"].endswith(f"/failures/{one}")
    assert "failed 2 times" in text_of(await html(admin, f"{BASE}/{one}"))
    await grouped(failed_job(3, "bang", kind="BError"))
    assert (await Job.objects.aget(job_id="3")).failure_group == one
    cause = await FailureCause.objects.aget(kind="BError")
    assert (await admin.post(f"{BASE}/{one}?action=split", {"cause": [cause.pk]})).status_code == 303
    await regrouped()
    groups = [job.failure_group async for job in Job.objects.order_by("job_id")]
    assert groups[0] == one
    assert groups[1] == groups[2] not in (one, two)
    assert "failed 2 times" in text_of(await html(admin, f"{BASE}/{groups[1]}"))
    for action, form in (("merge", {"group": [one]}), ("merge", {"group": "x"}), ("split", {"cause": [cause.pk]})):
        assert (await admin.post(f"{BASE}/{one}?action={action}", form)).status_code == 400, action


async def test_values_that_were_taken_for_one_cause_are_told_apart(admin, connection):
    jobs = [failed_job(n, f"tenant {3 + n % 2} has no plan {n}", kind="PlanError") for n in range(6)]
    rows = await grouped(*jobs)
    group = rows[0].failure_group
    form = text_of(await html(admin, f"{BASE}/{group}?form=split"))
    assert "3 3×" in form
    assert "6 values among the newest jobs" in form
    cause = await FailureCause.objects.aget()
    answer = await admin.post(f"{BASE}/{group}?action=split-values", {"cause": cause.pk, "place": ["0"]})
    assert answer.status_code == 303
    await regrouped()
    told = {
        cause.message: sum([spot.total async for spot in FailureSpot.objects.filter(cause=cause)])
        async for cause in FailureCause.objects.all()
    }
    assert told == {
        "tenant <n> has no plan <n>": 0, "tenant 3 has no plan <n>": 3, "tenant 4 has no plan <n>": 3,
    }  # fmt: skip
    await grouped(failed_job("x", "tenant 4 has no plan 77", kind="PlanError"))
    four = await Job.objects.aget(job_id="x")
    assert "failed 0 times" in text_of(await html(admin, f"{BASE}/{group}"))
    assert "2 groups, 7 failures" in text_of(await html(admin, BASE))
    assert four.failure_group == (await Job.objects.aget(job_id="1")).failure_group != group


async def test_a_failed_jobs_page_leads_to_its_group(admin, connection, client_of_redis, prefix):
    from tests.mirroring import session, turn_until_quiet
    from tests.planting import plant_failed

    plant_failed(client_of_redis, prefix, "mails", 1)
    async with session() as one:
        await turn_until_quiet(one)
    await regrouped()
    group = (await Job.objects.aget()).failure_group
    assert f"/failures/{group}" in await html(admin, "/admin/queues/queue/mails/1")


async def test_markup_in_every_name_and_text_stays_text(admin, connection):
    await grouped(
        failed_job(EVIL, EVIL, queue=EVIL, name=EVIL, stack=f"{EVIL}: {EVIL}\n    at {EVIL} (/{EVIL}.js:1:1)")
    )
    group = (await Job.objects.aget()).failure_group
    await in_database(plant_group)(10**6, EVIL, name=EVIL[:200], kind=EVIL[:120], message=EVIL, frame=EVIL[:200])
    await FailureEvent.objects.acreate(group_id=group, kind="noted", actor=EVIL[:150], text=EVIL)
    for path in (
        BASE,
        f"{BASE}/{group}",
        f"{BASE}/{group}?form=merge",
        f"{BASE}/{group}?form=split",
        f"{BASE}/1000000",
    ):
        assert is_inert(await html(admin, path)), path
