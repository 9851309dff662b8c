"""The metrics page: what was recorded, in tables that anyone can read; what is hidden stays hidden."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.models import AuditEntry, Deploy, Series
from queues.options import reset_options
from tests.inprocess import in_process  # noqa: F401
from tests.integration.test_lookup_history import ended, minute, now, save
from tests.planting import plant_waiting
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, is_inert, text_of

pytestmark = pytest.mark.django_db(transaction=True)
METRICS = "/admin/queues/metrics-history"


async def page(browser: Browser, path: str = METRICS, status: int = 200, **kwargs: Any) -> str:
    answer = await browser.get(path, **kwargs)
    assert answer.status_code == status, answer.content
    return answer.content.decode()


def table(html: str, chart: str) -> dict[int, list[str]]:
    """By minute of the epoch: what is written in its row."""
    (found,) = re.findall(rf'<details class="numbers" id="numbers-{chart}">.*?</details>', html, re.DOTALL)
    rows = re.findall(r'<tr data-at="(\d+)">(.*?)</tr>', found, re.DOTALL)
    return {int(at) // 60_000: [text_of(cell) for cell in re.findall(r"<td.*?</td>", cells)[1:]] for at, cells in rows}


def drawn(html: str, chart: str) -> list[list[str]]:
    """What the script draws, oldest first."""
    (found,) = re.findall(rf'id="numbers-{chart}">.*?</details>', html, re.DOTALL)
    return [re.findall(r'data-v="([^"]*)"', row) for row in re.findall(r"<tr data-at.*?</tr>", found, re.DOTALL)][::-1]


async def test_a_queues_minutes_are_in_the_tables_and_a_gap_is_no_nought(viewer: Browser, connection: str) -> None:
    await plant_waiting(connection, "chat", 1)
    here = now()
    await save(minute(here - 9, a=ended(30, 2, run_s=0.5), b=ended(1)), minute(here - 7))
    html = await page(viewer, f"{METRICS}?queue=chat")
    told = table(html, "throughput")
    assert told[here - 9] == ["31", "2", "0", "1 / 1 min"]
    assert told[here - 7] == ["0", "0", "0", "1 / 1 min"]
    assert told[here - 8] == ["–", "–", "–", "not recorded"]
    assert ["31.0", "2.0", "0.0"] in drawn(html, "throughput")
    assert drawn(html, "throughput").count(["", "", ""]) == 58
    assert table(html, "run")[here - 9][0] == "496 ms"
    names = re.findall(r'<td class="name"><a[^>]*>(.*?)</a>', html)
    assert names == ["a", "b"]
    # Without script there are lines, broken at the gap.
    assert re.search(r'<path class="s-completed" d="M[^"]*M[^"]*"', html)


async def test_retries_that_nobody_told_are_a_gap_and_no_nought(viewer: Browser, connection: str) -> None:
    await plant_waiting(connection, "chat", 1)
    here = now()
    await save(minute(here - 9, source="e", a=ended(3, 1)), minute(here - 7, source="l", a=ended(2)))
    html = await page(viewer, f"{METRICS}?queue=chat")
    told = table(html, "throughput")
    assert told[here - 9] == ["3", "1", "–", "1 / 1 min"]
    assert told[here - 7] == ["2", "0", "–", "1 / 1 min"]
    assert ["3.0", "1.0", ""] in drawn(html, "throughput")
    assert "does not tell retries" in html
    assert "does not tell retries" in await page(viewer, METRICS)
    await save(minute(here - 5, a=ended(1)))
    for path in (f"{METRICS}?queue=chat", f"{METRICS}?queue=chat&name=a", METRICS):
        told = table(await page(viewer, path), "throughput")
        assert (told[here - 9][2], told[here - 5][2]) == ("–", "0"), path


async def test_each_range_has_its_steps(viewer: Browser, connection: str) -> None:
    await plant_waiting(connection, "chat", 1)
    for name, steps in (("1h", 60), ("24h", 144), ("7d", 168), ("30d", 120), ("<script>", 60)):
        html = await page(viewer, METRICS, data={"queue": "chat", "range": name})
        assert len(table(html, "throughput")) == steps
        assert ("data-poll" in html) == (steps == 60)


async def test_queues_are_listed_with_their_shares_and_sorted(viewer: Browser, connection: str) -> None:
    here = now()
    await save(
        minute(here - 9, "fast", a=ended(90, run_s=0.01)),
        minute(here - 9, "slow", a=ended(9, 1, run_s=5)),
        minute(here - 9, "worst", a=ended(1, 9)),
    )
    for sort, expected in (
        ("", ["fast", "slow", "worst"]),
        ("slowest", ["slow", "worst", "fast"]),
        ("failing", ["worst", "slow", "fast"]),
    ):
        html = await page(viewer, f"{METRICS}?sort={sort}")
        assert re.findall(r'<td class="name"><a[^>]*>(.*?)</a>', html) == expected
    assert "90 %" in text_of(html)
    assert '<rect class="s-failed" x="10.0" width="90.0"' in html


async def test_a_hidden_queue_is_in_no_list_sum_or_address(connection: str, transactional_db: None) -> None:
    await plant_waiting(connection, "chat", 1)
    await plant_waiting(connection, "secret", 1)
    here = now()
    await save(minute(here - 9, "chat", a=ended(3)), minute(here - 9, "secret", a=ended(1_000)))
    guest = await signed_in("guest")
    await QueueGrant.objects.acreate(
        user=await User.objects.aget(username="guest"),
        connection="*",
        queue="chat",
        abilities=["view"],
    )
    html = await page(guest)
    assert "secret" not in html
    assert table(html, "throughput")[here - 9][0] == "3"
    for path in (f"{METRICS}?queue=secret", f"{METRICS}?queue=secret&name=a", f"{METRICS}?queue=nothing-there"):
        await page(guest, path, 404)


async def test_markup_in_every_name_stays_text(viewer: Browser, connection: str) -> None:
    here = now()
    name = EVIL[:100]
    await save(minute(here - 9, EVIL, **{name: ended(3, 1)}))
    await Deploy.objects.acreate(at=timezone.now(), label=EVIL[:90], actor=EVIL[:90])
    for data in ({}, {"queue": EVIL}, {"queue": EVIL, "name": name}):
        html = await page(viewer, METRICS, data=data)
        assert is_inert(html)


async def test_a_deploy_is_marked_by_who_may_and_recorded(admin: Browser, operator: Browser, connection: str) -> None:
    await plant_waiting(connection, "chat", 1)
    assert 'name="label"' not in await page(operator)
    refused = await operator.post(METRICS, {"label": "v1"})
    assert refused.status_code == 403
    assert not await Deploy.objects.aexists()
    answer = await admin.post(f"{METRICS}?queue=chat&range=24h", {"label": " v1.2.3 "})
    assert (answer.status_code, answer["Location"]) == (303, f"{METRICS}?queue=chat&range=24h")
    deploy = await Deploy.objects.aget()
    assert (deploy.label, deploy.actor) == ("v1.2.3", "admin")
    html = await page(admin)
    assert f'data-deploy="{int(deploy.at.timestamp())}"' in html
    entry = await AuditEntry.objects.aget()
    assert (entry.action, entry.outcome) == ("deploy.mark", "done")
    assert (await admin.post(METRICS, {"label": "\x00"})).status_code == 400


async def test_where_there_is_no_mirror_or_it_stands_still_the_page_says_so(viewer: Browser, connection: str) -> None:
    await plant_waiting(connection, "chat", 1)
    assert "No mirror has taken samples yet" in await page(viewer)
    await save(minute(now() - 60))
    assert "The mirror takes no samples at present" in await page(viewer)
    await save(minute(now() - 1))
    html = await page(viewer)
    assert "mirror" not in text_of(re.sub(r"<aside.*?</aside>", "", html, flags=re.DOTALL)).casefold()


async def test_a_queue_that_is_gone_keeps_its_past(viewer: Browser, connection: str) -> None:
    await save(minute(now() - 9, "gone", a=ended(3)))
    assert "gone" in await page(viewer, f"{METRICS}?queue=gone")
    await Series.objects.all().adelete()
    await page(viewer, f"{METRICS}?queue=gone", 404)


async def test_only_what_changes_is_sent_again(viewer: Browser, connection: str) -> None:
    await plant_waiting(connection, "chat", 1)
    html = await page(viewer, f"{METRICS}?queue=chat&fragment=figures", headers={"HX-Request": "true"})
    assert "<html" not in html
    assert re.findall(r'<hx-partial hx-target="#([a-z-]+)"', html) == [
        "metrics-notes",
        "numbers-throughput",
        "numbers-run",
        "numbers-wait",
        "numbers-backlog",
        "metrics-totals",
    ]


async def test_a_page_of_a_day_is_drawn_soon(viewer: Browser, connection: str, record_property: Any) -> None:
    here = now()
    await save(*[minute(here - back, a=ended(30, 2), b=ended(3, run_s=2)) for back in range(1, 600)])
    await page(viewer, f"{METRICS}?queue=chat&range=24h")
    began = time.perf_counter()
    html = await page(viewer, f"{METRICS}?queue=chat&range=24h")
    record_property("figures", f"a day of a queue: {(time.perf_counter() - began) * 1000:.0f} ms, {len(html):,} bytes")


@pytest.mark.usefixtures("in_process")
async def test_in_process_the_page_says_that_nobody_records(viewer: Browser) -> None:
    assert "nobody records them" in await page(viewer)
    reset_options()
