"""The audit page: filters in the address, a cursor, exports no spreadsheet runs, and only what one may see."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.lookups import audit_rows
from queues.models import AuditEntry, Outcome
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, is_inert, text_of

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/queues/audit"


async def acted(
    action: str = "job.retry", queue: str = "chat", job: str = "7", actor: str = "ana", **more: object
) -> int:
    values = {"outcome": Outcome.DONE, "message": f"Job “{job}” was retried.", "affected": 1} | more
    return (await AuditEntry.objects.acreate(action=action, queue=queue, job_id=job, actor=actor, **values)).pk


async def table(browser: Browser, **query: object) -> str:
    answer = await browser.get(f"{PAGE}?{urlencode(query)}")
    assert answer.status_code == 200
    return answer.content.decode()


async def ids(browser: Browser, **query: object) -> list[str]:
    exported = (await browser.get(f"{PAGE}?{urlencode({'format': 'jsonl'} | query)}")).streaming_content
    lines = b"".join([piece async for piece in exported]).decode().splitlines()
    return [json.loads(line)["job_id"] for line in lines]


async def test_a_row_says_who_did_what_where_and_how_it_ended(admin, connection):
    await acted(parameters='{"delay_ms": 5, "before": {"password": "hunter2"}}')
    html = await table(admin)
    assert "ana job.retry chat / 7 done Job “7” was retried." in text_of(html)
    assert 'href="/admin/queues/queue/chat/7"' in html
    assert "hunter2" not in html
    assert "delay_ms" in html


async def test_the_address_holds_the_filters(admin, connection):
    await acted(job="1")
    await acted(job="2", action="queue.pause", actor="Bo", outcome=Outcome.REFUSED, message="no")
    await acted(job="3", queue="mails", outcome=Outcome.OPENED, message="")
    await AuditEntry.objects.filter(job_id="3").aupdate(at=timezone.now() - timedelta(hours=3))
    assert await ids(admin) == ["3", "2", "1"]
    assert await ids(admin, actor="bo") == await ids(admin, action="queue.pause") == ["2"]
    assert await ids(admin, action="queue") == await ids(admin, outcome="refused") == ["2"]
    assert await ids(admin, queue="mails") == await ids(admin, outcome="unknown") == ["3"]
    assert await ids(admin, within="1h") == ["2", "1"]
    assert await ids(admin, since="2999-01-01") == []
    assert await ids(admin, until="2999-01-01T00:00", q="RETRIED") == ["1"]
    assert "outcome unknown" in text_of(await table(admin, outcome="unknown"))
    odd = await table(admin, outcome="maybe", since="soon")
    assert "There is no outcome “maybe”" in odd
    assert "“soon” is no date" in odd


async def test_pages_follow_a_cursor_and_an_export_holds_them_all(admin, connection, monkeypatch):
    monkeypatch.setattr(audit_rows, "CHUNK", 7)
    for number in range(120):
        await acted(job=str(number))
    first = await table(admin)
    assert first.count("<tr class") == 50
    older = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    await acted(job="new")
    second = (await admin.get(older)).content.decode()
    assert ">69</a>" in second
    assert ">70</a>" not in second
    assert await ids(admin) == ["new", *(str(number) for number in reversed(range(120)))]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "  =", "＝"])
async def test_no_spreadsheet_runs_a_cell(admin, connection, start):
    await acted(job=f"{start}cmd|' /C calc'!A0", queue="a,b", message='"x"\n=1')
    answer = await admin.get(f"{PAGE}?format=csv")
    assert "attachment" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(b"".join([piece async for piece in answer.streaming_content]).decode())))
    # Behind a tab, where another cell may begin, once more.
    told = start.replace("\t", "\t'")
    assert rows[0]["job_id"] == f"'{told}cmd|' /C calc'!A0"
    assert (rows[0]["queue"], rows[0]["message"], rows[0]["affected"]) == ("a,b", '"x"\n\'=1', "1")


async def test_markup_runs_nothing(admin, connection):
    await acted(EVIL[:60], EVIL, EVIL, EVIL[:140], message=EVIL, parameters=json.dumps({EVIL: EVIL}))
    assert is_inert(await table(admin))
    assert is_inert(await table(admin, q=EVIL, actor=EVIL, queue=EVIL, job=EVIL, since=EVIL))


async def test_only_rows_of_queues_that_one_sees(connection):
    for queue in ("mails-a", "mails-b", "Mails-c", "chat", "mails-a\nx", ""):
        await acted(queue=queue, job=queue or "site")
    clerk = await signed_in("clerk")
    user = await User.objects.aget(username="clerk")
    await QueueGrant.objects.acreate(user=user, queue="mails-*", abilities=["view"])
    await QueueGrant.objects.acreate(user=user, queue="*-a", abilities=["view_audit"])
    assert await ids(clerk) == ["mails-a"]
    assert await ids(clerk, queue="chat") == await ids(clerk, q="chat") == []
    html = await table(clerk)
    assert "mails-b" not in html
    assert 'href="/admin/queues/audit"' in html


async def test_without_the_ability_there_is_neither_page_nor_link(viewer, connection):
    answer = await viewer.get(PAGE)
    assert answer.status_code == 403
    assert "toril.view_audit" in answer.content.decode()
    assert 'href="/admin/queues/audit"' not in (await viewer.get("/admin/queues/")).content.decode()


async def test_what_a_job_carries_is_left_out_for_who_may_not_read_it(connection):
    await acted(parameters='{"delay_ms": 5, "before": {"mail": "carried"}}')
    reader = await signed_in("reader", "view", "view_audit")
    html = await table(reader)
    assert "carried" not in html
    assert "delay_ms" in html
