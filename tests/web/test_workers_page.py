"""The workers page: who works and what each runs, in sentences what is wrong, and what may be asked of whom."""

from __future__ import annotations

import asyncio
import re
import time

import pytest
from django.contrib.auth.models import User

from dashboard.models import QueueGrant
from queues.lookups import fleet as shared
from queues.models import AuditEntry
from queues.protocol.connections import prefix as prefix_of
from queues.protocol.connections import wire
from queues.protocol.fleet import Beat, RunningJob, Share, beat_commands
from queues.protocol.keys import FleetKeys
from queues.worker import heartbeat
from tests.eventually import eventually
from tests.planting import plant_waiting
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, is_inert, text_of
from tests.working import operating

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = "/admin/queues/workers"


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch):
    monkeypatch.setattr(shared, "FRESH_S", 0.0)


def beat(number: int = 1, **more: object) -> Beat:
    now = int(time.time() * 1000)
    told = {
        "id": f"process-{number}",
        "name": f"worker-{number}",
        "host": "alpha",
        "pid": 4000 + number,
        "version": "0.1.0",
        "started_ms": now - 60_000,
        "beat_ms": now,
        "queues": (Share("chat", 5, 2), Share("billing", 1, 0)),
        "running": (RunningJob("chat", "7", "summarise", 2, now - 41_000, '{"percent": 50}'),),
        "running_count": 2,
        "rss_bytes": 70 * 2**20,
    }
    return Beat(**{**told, **more})  # type: ignore[arg-type]


async def plant(connection: str, *beats: Beat) -> None:
    for one in beats:
        await wire(connection).run(beat_commands(FleetKeys(prefix_of(connection)), one))


async def page(browser: Browser, query: str = "", status: int = 200, **kwargs: object) -> str:
    answer = await browser.get(WORKERS + query, **kwargs)
    assert answer.status_code == status, answer.content
    return str(answer.content.decode())


def lines(html: str) -> list[str]:
    return [text_of(row) for row in re.findall(r'<tr id="worker_[^>]*data-row.*?</tr>', html, re.DOTALL)]


async def test_a_process_is_told_with_its_slots_its_jobs_and_how_it_fares(viewer, connection):
    await plant(connection, beat())
    html = await page(viewer)
    (line,) = lines(html)
    for told in ("worker-1", "alpha · 4001", "0.1.0", "2 / 6", "chat 2/5", "attempt 2", "70 MB"):
        assert told in line
    assert re.search(r"summarise 4\d s ", line)
    assert "1 process on 1 host" in text_of(html)
    assert "2 of 6 slots busy" in text_of(html)
    assert "/admin/queues/queue/chat/7" in html
    assert html.count("<h1") == 1


async def test_a_viewer_without_the_ability_finds_no_button_and_is_refused(viewer, connection):
    await plant(connection, beat())
    html = await page(viewer)
    assert "Quiet" not in text_of(html)
    assert "Stop" not in text_of(html)
    for asked in ({"quiet": "process-1"}, {"do": "stop", "process": "", "count": "1"}):
        assert (await viewer.post(WORKERS, asked)).status_code == 403
    assert (await viewer.get(f"{WORKERS}?confirm=stop")).status_code == 403
    assert not await AuditEntry.objects.aexists()


async def test_who_is_silent_or_runs_other_code_is_told_in_a_sentence(viewer, connection):
    now = int(time.time() * 1000)
    old, gone = beat(2, release="abc123", started_ms=now - 90_000), beat(3, beat_ms=now - 20_000, release="def456")
    await plant(connection, beat(1, release="def456"), old, gone)
    text = text_of(await page(viewer))
    assert "The worker that started last runs def456; others still run another version: 1 × abc123." in text
    assert "Nothing was heard of “worker-3” for 10 s and more" in text
    assert [line.split()[0] for line in lines(await page(viewer, "?state=silent"))] == ["worker-3"]
    assert [line.split()[0] for line in lines(await page(viewer, "?state=older"))] == ["worker-2"]


async def test_the_list_is_narrowed_and_sorted_by_its_address(viewer, connection):
    small, large = beat(1, rss_bytes=2**20, host="beta"), beat(2, rss_bytes=2**30)
    await plant(connection, small, large)
    assert [line.split()[0] for line in lines(await page(viewer, "?sort=memory"))] == ["worker-2", "worker-1"]
    assert [line.split()[0] for line in lines(await page(viewer, "?sort=odd"))] == ["worker-2", "worker-1"]
    assert [line.split()[0] for line in lines(await page(viewer, "?q=BETA"))] == ["worker-1"]
    assert "No worker fits" in await page(viewer, "?q=nobody")
    part = await page(viewer, "?fragment=fleet&q=beta", htmx=True)
    assert part.lstrip().startswith('<section id="fleet"')
    assert len(lines(part)) == 1


async def test_queues_with_jobs_and_nobody_to_run_them_stand_on_top(viewer, connection):
    await plant_waiting(connection, "mail", 3)
    await plant_waiting(connection, "chat", 1)
    await plant(connection, beat())
    text = text_of(await page(viewer))
    assert "1 queue has jobs and no worker: mail 3 waiting" in text


async def test_of_hidden_queues_neither_shares_nor_jobs_nor_their_workers_are_told(transactional_db, connection):
    mixed = beat(1)
    secret = beat(2, queues=(Share("billing", 3, 1),), running=(RunningJob("billing", "9", "charge"),))
    await plant(connection, mixed, secret)
    await plant_waiting(connection, "payroll", 2)
    user = await User.objects.acreate_user("part", is_staff=True)
    await QueueGrant.objects.acreate(user=user, connection="*", queue="chat", abilities=["view", "view_payload"])
    browser = Browser()
    await browser.aforce_login(user)
    html = await page(browser)
    assert [line.split()[0] for line in lines(html)] == ["worker-1"]
    assert "2 of 5 slots busy" in text_of(html)
    for hidden in ("billing", "payroll", "charge", "worker-2", "process-2"):
        assert hidden not in html


async def test_progress_is_a_payload(transactional_db, connection):
    await plant(connection, beat())
    browser = await signed_in("looker", "view")
    with_payload = await signed_in("reader", group="viewer")
    assert "percent" in await page(with_payload)
    html = await page(browser)
    assert "percent" not in html
    assert "summarise" in html


async def test_names_that_are_markup_stay_text(admin, connection):
    shares, jobs = (Share(EVIL, 1, 1),), (RunningJob(EVIL, EVIL, EVIL, progress=EVIL),)
    await plant(connection, beat(1, name=EVIL[:150], host=EVIL[:150], release=EVIL[:100], queues=shares, running=jobs))
    assert is_inert(await page(admin))
    assert is_inert(await page(admin, "?confirm=stop&process=process-1"))


async def test_two_hundred_processes_are_one_reading_for_all_and_quick(
    viewer, connection, monkeypatch, record_property
):
    monkeypatch.setattr(shared, "FRESH_S", 60.0)
    await plant(connection, *[beat(number, host=f"host-{number % 20}") for number in range(200)])
    assert len(lines(await page(viewer))) == 200
    began = time.process_time()
    await asyncio.gather(*[page(viewer, "?fragment=fleet", htmx=True) for _ in range(10)])
    took_ms = (time.process_time() - began) * 100
    record_property("figures", f"200 processes: {took_ms:.1f} ms for each further look")
    assert took_ms < 60


async def test_stop_all_is_counted_typed_and_asked_again_when_the_number_is_another(admin, connection):
    await plant(connection, beat(1), beat(2))
    html = await page(admin, "?confirm=stop")
    assert "Stop all 2 worker processes? 4 running jobs may finish" in text_of(html)
    assert "Type 2 to confirm" in text_of(html)
    for told in ({"count": "2", "typed": "3"}, {"count": "1", "typed": "2"}, {"count": "2"}):
        answer = await admin.post(WORKERS, {"do": "stop", "process": "", **told})
        assert answer.status_code == 409
        assert "Nothing was done" in answer.content.decode()
    assert not await AuditEntry.objects.aexists()
    assert (await admin.post(WORKERS, {"do": "explode"})).status_code == 400
    assert (await admin.get(f"{WORKERS}?confirm=stop&process=nobody")).status_code == 404


async def test_quiet_takes_effect_and_the_page_tells_when(admin, connection, monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.1)

    async def nothing(job: object) -> None: ...

    async with operating(nothing, worker_name="anna") as worker:
        line = await eventually(lambda: _first_line(admin))
        assert line.startswith("anna")
        answer = await admin.post(WORKERS, {"quiet": worker.id}, htmx=True)
        assert answer.status_code == 200
        text = text_of(answer.content.decode())
        assert "Worker “anna” takes no new jobs." in text
        assert worker.state == "quiet"
        assert re.search(r"admin \S+ \S+( ago)? Worker “anna” takes no new jobs\. after [\d.]+ m?s", text)
        await eventually(lambda: _is_quiet(admin))
        answer = await admin.post(WORKERS, {"resume": worker.id})
        assert (answer.status_code, worker.state) == (303, "running")
    assert [e.action async for e in AuditEntry.objects.order_by("pk")] == ["workers.quiet", "workers.resume"]


async def _first_line(browser: Browser) -> str:
    return next(iter(lines(await page(browser))), "")


async def _is_quiet(browser: Browser) -> bool:
    return "quiet" in await _first_line(browser)


async def test_where_redis_forbids_client_list_the_page_says_so_and_is_still_of_use(viewer, connection, monkeypatch):
    from queues.protocol import reads

    async def forbidden(connection: str) -> None:
        return None

    monkeypatch.setattr(reads, "worker_listeners", forbidden)
    await plant_waiting(connection, "alone")
    await plant(connection, beat())
    html = await page(viewer)
    assert "Redis forbids CLIENT LIST" in html
    assert "1 queue has jobs and no worker of Toril's; whether another serves it cannot be seen: alone" in text_of(html)
    assert len(lines(html)) == 1


async def test_the_settings_may_leave_the_page_out(viewer, connection, settings):
    from queues.options import reset_options

    settings.TORIL = {**settings.TORIL, "DASHBOARD": {"show_workers": False}}
    reset_options()
    assert "show_workers" in await page(viewer, status=404)
    assert "/admin/queues/workers" not in (await viewer.get("/admin/queues/")).content.decode()
