"""USE_JOB_QUEUE=false: the same pages, drawn from SQL, that say so plainly; their buttons; and nobody dials a Redis."""

from __future__ import annotations

import json
import re

import pytest

from dashboard.live import local as live
from dashboard.live.local import LocalWatcher
from queues import queue
from queues.models import AuditEntry
from queues.processors import Registry, registry
from tests.eventually import eventually
from tests.inprocess import in_process, row, running, until  # noqa: F401
from tests.watching import Onlooker
from tests.web.planted import EVIL, cells, count, is_inert, text_of
from tests.web.test_queue_actions import confirmed

pytestmark = pytest.mark.usefixtures("in_process")
SENTENCE = "Jobs run in this process; there is no Redis."
QUEUE = "/admin/queues/queue/chat"


async def page(browser, path: str, **kwargs) -> str:
    answer = await browser.get(path, **kwargs)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def fails(job):
    """As its data says."""
    job.log(f"attempt {job.attempt} of {job.name}")
    if job.data.get("fail"):
        raise TimeoutError(f"no answer for {job.name}")
    return {"echo": job.data}


@pytest.fixture(autouse=True)
def own(monkeypatch):
    """No processor but a test's own: another test of this process may have loaded the sample's."""
    found = Registry()
    monkeypatch.setattr(registry, "_queues", found._queues)
    return found


@pytest.fixture
async def worked(own):
    """This process's runner, which does what a job's data says."""
    own.processor("chat")(fails)
    async with running(registry=own) as runner:
        yield runner


async def add(name: str = "hello", fail: bool = False, **options):
    return await queue("chat").add(name, {"fail": fail}, **options)


async def test_every_page_says_that_jobs_run_here(viewer, worked):
    done = await add()
    await until(done.id, "completed")
    for path in ("/admin/queues/", QUEUE, f"{QUEUE}/{done.id}"):
        html = await page(viewer, path)
        assert SENTENCE in text_of(html)
        # The sheet of keys names every page there may be.
        assert "Redis" not in text_of(html.partition("<main")[2].partition("</main>")[0]).replace(SENTENCE, "")


async def test_the_overview_counts_rows_and_knows_where_nobody_takes_them(viewer, worked):
    for fail in (True, True, False):
        await until((await add(fail=fail)).id, "failed" if fail else "completed")
    await add(delay_ms=60_000)
    await queue("nobody").add("waits")
    html = await page(viewer, "/admin/queues/")
    rows = {
        name: text_of(cells)
        for name, cells in re.findall(r'data-name="([^"]+)" role="row">\n(.*?)</tr>', html, re.DOTALL)
    }
    assert re.search(r"\b0 0 0 1 2 1 0\b", rows["chat"])
    assert "no processor" in rows["nobody"]
    assert "2 queues" in text_of(html)
    failed = cells(await page(viewer, QUEUE + "?status=failed"))
    assert failed == sorted(failed, key=int, reverse=True)
    assert len(failed) == 2


async def test_an_empty_installation_says_how_to_begin(viewer):
    text = text_of(await page(viewer, "/admin/queues/"))
    assert "No queues yet" in text
    assert "There is no job yet" in text
    assert "REDIS_URL" not in text


async def test_a_queues_lists_stand_in_running_order_and_page(viewer):
    ids = [job_id for number in range(30) for job_id in [(await queue("chat").add("x", number)).id]]
    assert cells(await page(viewer, QUEUE + "?status=waiting&jobsPerPage=25")) == ids[:25]
    html = await page(viewer, QUEUE + "?status=waiting&jobsPerPage=25&page=2")
    assert cells(html) == ids[25:]
    assert count(html, "waiting") == 30
    assert "30 jobs waiting and no processor here" in text_of(html)


async def test_a_job_tells_what_happened_what_it_holds_and_what_it_said(viewer, worked):
    failed = await add("sync", fail=True, attempts=2)
    await until(failed.id, "failed")
    html = await page(viewer, f"{QUEUE}/{failed.id}")
    text = text_of(html)
    assert "2 of 2 attempts" in text
    assert text.count("TimeoutError: no answer for sync") >= 2
    assert "attempt 1 of sync attempt 2 of sync" in text
    assert "Failed for good" in text
    answer = await viewer.get(f"{QUEUE}/{failed.id}?field=logs")
    assert b"".join([piece async for piece in answer.streaming_content]) == b"attempt 1 of sync\nattempt 2 of sync\n"
    answer = await viewer.get(f"{QUEUE}/{failed.id}?field=data")
    assert json.loads(b"".join([piece async for piece in answer.streaming_content])) == {"fail": True}
    kin = text_of(await page(viewer, f"{QUEUE}/{failed.id}?fragment=kin", htmx=True))
    assert "Jobs called sync failed" in kin
    assert "jobs that the mirror keeps" in kin
    found = text_of(await page(viewer, f"{QUEUE}/{failed.id}?fragment=log&find=ATTEMPT 2", htmx=True))
    assert "1 of the last 2 lines holds it. attempt 2 of sync" in found


async def test_names_and_payloads_are_only_text(viewer, worked):
    odd = await queue("chat").add(EVIL, {EVIL: [EVIL], "fail": True})
    await until(odd.id, "failed")
    for path in (QUEUE + "?status=failed", f"{QUEUE}/{odd.id}"):
        assert is_inert(await page(viewer, path))


async def test_what_is_not_there_is_not_found(viewer, worked):
    assert (await viewer.get("/admin/queues/queue/nowhere")).status_code == 404
    await add()
    assert (await viewer.get(f"{QUEUE}/nothing")).status_code == 404
    assert (await viewer.get(f"{QUEUE}?connection=other")).status_code == 404


async def test_a_failed_job_is_retried_by_a_click_and_the_audit_says_who(operator, worked):
    failed = await add(fail=True)
    await until(failed.id, "failed")
    await failed.update_data({"fail": False})
    answer = await operator.post(f"{QUEUE}/{failed.id}?action=retry", htmx=True)
    assert answer.status_code == 200
    assert "was put back to run again" in text_of(answer.content.decode())
    job = await until(failed.id, "completed")
    assert (job.attempts_made, job.failed_reason) == (2, "")
    entry = await AuditEntry.objects.afirst()
    assert (entry.action, entry.actor, entry.job_id, entry.outcome) == ("job.retry", "operator", failed.id, "done")
    again = await operator.post(f"{QUEUE}/{failed.id}?action=promote", htmx=True)
    assert again.status_code == 409


async def test_a_delayed_job_is_promoted_and_another_removed(admin, worked):
    later, gone = await add(delay_ms=60_000), await add(delay_ms=60_000)
    assert (await admin.post(f"{QUEUE}/{later.id}?action=promote", htmx=True)).status_code == 200
    await until(later.id, "completed")
    answer = await admin.post(f"{QUEUE}/{gone.id}?action=remove", htmx=True)
    assert answer["HX-Redirect"] == QUEUE
    assert (await row(gone.id)).removed_at is not None
    html = await page(admin, f"{QUEUE}/{gone.id}")
    assert "This job was removed. This is the copy Toril kept." in text_of(html)


async def test_who_may_not_may_not(viewer, worked):
    failed = await add(fail=True)
    await until(failed.id, "failed")
    assert (await viewer.post(f"{QUEUE}/{failed.id}?action=retry", htmx=True)).status_code == 403
    assert (await viewer.post(f"{QUEUE}?action=pause", htmx=True)).status_code == 403


async def test_a_paused_queue_starts_nothing_until_it_is_resumed(operator, worked):
    await until((await add()).id, "completed")
    html = (await operator.post(QUEUE + "?action=pause", htmx=True)).content.decode()
    assert "Paused: new jobs will wait" in text_of(html)
    waits = await add()
    html = text_of(await page(operator, QUEUE))
    assert "Paused by operator" in html
    assert (await row(waits.id)).state == "waiting"
    await operator.post(QUEUE + "?action=resume", htmx=True)
    await until(waits.id, "completed")


async def test_all_failed_jobs_are_retried_and_cleaned_at_once(admin, worked):
    ids = [(await add(fail=True)).id for _ in range(3)]
    for job_id in ids:
        await until(job_id, "failed")
    html = text_of((await confirmed(admin, "retry-all")).content.decode())
    assert "3 failed jobs retried." in html
    for job_id in ids:
        await eventually(lambda job_id=job_id: _attempts(job_id, 2), what="it has run again")
    html = text_of((await confirmed(admin, "clean", "&state=failed")).content.decode())
    assert "3 failed jobs removed." in html
    assert count(await page(admin, QUEUE), "failed") == 0


async def _attempts(job_id: str, number: int) -> bool:
    job = await row(job_id)
    return job.attempts_made == number and job.state == "failed"


async def test_emptying_leaves_what_is_delayed(admin):
    await queue("chat").add("waits")
    await queue("chat").add("first", priority=1)
    await queue("chat").add("later", delay_ms=60_000)
    html = text_of((await confirmed(admin, "drain")).content.decode())
    assert "2 waiting and prioritized jobs removed." in html
    html = await page(admin, QUEUE)
    assert (count(html, "waiting"), count(html, "prioritized"), count(html, "delayed")) == (0, 0, 1)


async def test_who_looks_is_told_of_every_change(worked, monkeypatch):
    monkeypatch.setattr(live, "LOOK_S", 60)
    first = await add(fail=True)
    await until(first.id, "failed")
    watcher = LocalWatcher("default")
    looks, at_job = Onlooker("chat"), Onlooker("chat", first.id)
    try:
        await watcher.join(looks)
        await watcher.join(at_job)
        await eventually(lambda: looks.count("chat", "failed") == 1)
        await add()
        await eventually(lambda: looks.count("chat", "completed") == 1)
        at_job.clear()
        await first.retry()
        await eventually(lambda: "job-moved" in at_job.shown)
        await queue("new").add("x")
        await eventually(lambda: "New queue: new" in (looks.text("queue-names") or ""))
    finally:
        await watcher.stop()


async def test_a_probe_finds_it_ready(anonymous):
    assert (await anonymous.get("/readyz")).status_code == 200


async def test_a_list_is_searched_sorted_unfolded_and_acted_on_together(admin, worked):
    failed = [(await add(fail=True)).id for _ in range(3)]
    for job_id in failed:
        await until(job_id, "failed")
    await queue("nobody").add("mail", {"n": 1})
    await queue("nobody").add("scan", {"n": 2})
    waiting = "/admin/queues/queue/nobody?status=waiting"
    html = await page(admin, waiting + "&job=mail")
    assert len(cells(html)) == 1
    assert "1 of all 2 waiting jobs" in text_of(html)
    assert len(cells(await page(admin, waiting + "&text=%22n%22%3A2&sort=-added"))) == 1
    assert cells(await page(admin, waiting + "&sort=reverse")) == cells(await page(admin, waiting))[::-1]
    (first, *_) = cells(await page(admin, f"{QUEUE}?status=failed"))
    assert "Open the job" in text_of((await admin.get(f"{QUEUE}?status=failed&expand={first}")).content.decode())
    answer = await admin.post(f"{QUEUE}?status=failed&action=selected", {"do": "retry", "id": [*failed, "none"]})
    assert answer.status_code == 303
    html = await page(admin, answer["Location"])
    assert "3 retried, 1 had moved on." in text_of(html)
    form = {"do": "remove", "id": cells(await page(admin, waiting)), "typed": "nobody"}
    await admin.post(f"{waiting}&action=selected", form)
    assert cells(await page(admin, waiting)) == []
    assert len(cells(await page(admin, f"{QUEUE}?status=latest"))) == 3


async def test_schedulers_and_flows_say_that_they_need_redis(admin):
    for path in ("job-schedulers", "flows", "job-schedulers?queue=chat&id=x", "flows?queue=chat&id=x"):
        assert "without Redis" in text_of(await page(admin, f"/admin/queues/{path}"))
        assert (await admin.post(f"/admin/queues/{path}")).status_code in (400, 409)


async def test_jobs_are_searched_in_their_rows_and_nothing_is_offered_that_needs_redis(admin, worked):
    failed = await add("sync", fail=True)
    await until(failed.id, "failed")
    html = await page(admin, "/admin/queues/search?q=state:failed+sync")
    assert f'title="{failed.id}"' in html
    assert "Searched all" in html
    assert "operations/new" not in html
    assert failed.id in await page(admin, f"/admin/queues/search?q={failed.id}")
    answer = await admin.get("/admin/queues/search?q=sync&format=jsonl")
    (line,) = [json.loads(each) for each in b"".join([p async for p in answer.streaming_content]).splitlines()]
    assert (line["queue"], line["state"], json.loads(line["data"])) == ("chat", "failed", {"fail": True})
