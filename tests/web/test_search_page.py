"""The one box and its page: what is found, by whom, how it is narrowed, paged, kept under a name and written down."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape

import pytest
from asgiref.sync import sync_to_async
from django.http import QueryDict

from dashboard.models import SavedView
from dashboard.pages.operation.target import target_of
from dashboard.pages.search import narrowing as search_narrowing
from queues import queue
from queues.models import AuditEntry, Job
from queues.options import reset_options
from queues.states import State
from tests.planting import plant_failed
from tests.searching import HOUR_MS, NOW_MS, kept, take_in
from tests.web.browser import Browser
from tests.web.conftest import signed_in_on
from tests.web.planted import EVIL, is_inert, text_of

pytestmark = pytest.mark.django_db(transaction=True)
SEARCH = "/admin/queues/search"
SECRET = "hunter2"


def corpus() -> None:
    data = {"user": {"id": 42}, "password": SECRET, "word": "lighthouse"}
    error = f"TimeoutError: password={SECRET}\nat x"
    kept(
        "4711", name="summarize", state="failed", failed_reason=error, data=data, finished_on_ms=NOW_MS, attempts_made=3
    )
    past = {"ago_ms": HOUR_MS, "finished_on_ms": NOW_MS - HOUR_MS, "is_removed": True}
    kept("gone-1", "mail", name="send", state="completed", return_value='"sent"', **past)
    kept("pay-1", "payroll", name="salary", data={"word": "lighthouse"}, ago_ms=2 * HOUR_MS)
    take_in()


@pytest.fixture
async def found(connection, transactional_db) -> None:
    await sync_to_async(corpus)()


async def page(browser: Browser, q: str, **more: object) -> str:
    answer = await browser.get(SEARCH, {"q": q, "at": NOW_MS, **more})
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def ids(html: str) -> list[str]:
    return [text_of(cell) for cell in re.findall(r'<td class="mono id">(.*?)</td>', html, re.DOTALL)]


async def exported(browser: Browser, q: str, form: str) -> str:
    answer = await browser.get(SEARCH, {"q": q, "at": NOW_MS, "format": form})
    assert answer.streaming
    return b"".join([piece async for piece in answer.streaming_content]).decode()


async def granted(*abilities: str, on: str = "chat") -> Browser:
    return await signed_in_on("part", on, abilities=("view", *abilities))


# --- what is found


async def test_jobs_of_all_queues_are_found_live_and_past_with_what_became_of_them(viewer, found):
    html = await page(viewer, "since:3h")
    assert ids(html) == ["4711", "gone-1", "pay-1"]
    told = text_of(html)
    assert "3 jobs fit." in told
    assert "TimeoutError: password=•••" in told
    assert "completed removed " in told
    (past,) = re.findall(r'href="([^"]*)" title="gone-1"', html)
    assert unescape(past) == f"/admin/queues/queue/mail/gone-1?added={NOW_MS - HOUR_MS}"
    assert ids(await page(viewer, "data.user.id:42 state:failed attempts:>=3 -name:send")) == ["4711"]


async def test_a_pasted_id_is_found_where_redis_has_it_and_where_the_mirror_had_it(viewer, found, connection):
    await queue("fresh").add("work", {}, job_id="order-77")
    assert ids(await page(viewer, "order-77")) == ["order-77"]
    html = await page(viewer, "gone-1")
    assert ids(html) == ["gone-1"]
    await queue("mail").add("send", {}, job_id="gone-1")
    assert "1 job fits" in text_of(await page(viewer, "4711"))
    both = await page(viewer, "gone-1")
    assert ids(both) == ["gone-1", "gone-1"]
    assert both.count("removed ") >= 1


HOSTILE = (
    '"open', "state:odd", "querry:x", "*", "a" * 10_240, "error:", "since:yesterday", "-", '";DROP TABLE x;--', "%",
    "NEAR(a b", "attempts:>=x", 'queue:"a', "a OR b AND NOT c*d", "((((", "\x00", "data.:x", "{a: b}^2",
)  # fmt: skip


async def test_what_cannot_be_read_gets_a_sentence_and_nothing_is_found_for_it(viewer, found):
    for hostile in HOSTILE:
        html = await page(viewer, hostile)
        assert ids(html) == [], hostile
        if 'role="alert"' not in html:
            assert "No job fits" in html, hostile
            continue
        sentence = text_of(re.findall(r'role="alert">(.*?)</p>', html)[0])
        assert sentence.endswith((".", "?")), sentence


async def test_nothing_found_says_so_and_nothing_asked_shows_the_language(viewer, found):
    assert "No job fits" in await page(viewer, "nothing-has-this-word")
    html = await page(viewer, "error:timeo")
    assert ids(html) == []
    (starred,) = re.findall(r'href="([^"]*)">error:timeo\*</a>', html)
    assert ids((await viewer.get(unescape(starred))).content.decode()) == ["4711"]
    html = await page(viewer, "")
    assert "What may be asked" in html
    for example in re.findall(r'<dt><a class="mono" href="([^"]*)"', html):
        answer = await viewer.get(unescape(example))
        assert answer.status_code == 200
        assert 'role="alert"' not in answer.content.decode(), example


async def test_pages_follow_each_other_and_mean_the_same_moment(viewer, connection):
    def plant() -> None:
        for n in range(60):
            kept(f"j{n:02}", ago_ms=n * 1000)
        take_in()

    await sync_to_async(plant)()
    html = await page(viewer, "since:1h")
    assert ids(html) == [f"j{n:02}" for n in range(50)]
    (older,) = re.findall(r'href="([^"]*)" rel="next"', html)
    assert f"at={NOW_MS}" in unescape(older)
    further = (await viewer.get(unescape(older))).content.decode()
    assert ids(further) == [f"j{n}" for n in range(50, 60)]
    assert "Newest" in further


async def test_a_search_is_narrowed_by_a_link_and_the_address_holds_it(viewer, found):
    html = await page(viewer, 'state:completed "big word" since:2h')
    narrow = re.findall(r'<nav class="narrow".*?</nav>', html, re.DOTALL)[0]
    assert [text_of(here) for here in re.findall(r"<b[^>]*>(.*?)</b>", narrow)] == ["completed"]
    links = [unescape(link) for link in re.findall(r'href="([^"]*)"', narrow)]
    assert f"{SEARCH}?q=%22big+word%22+since%3A2h+state%3Afailed" in links
    assert f"{SEARCH}?q=state%3Acompleted+%22big+word%22" in links
    quoted = r'name:"a \" since:x" since:2h'
    assert search_narrowing.with_term(quoted, "since", "1h") == r'name:"a \" since:x" since:1h'


async def test_odd_names_are_shown_as_they_are_and_do_nothing(viewer, connection):
    await sync_to_async(
        lambda: (kept(EVIL, EVIL, name=EVIL, state="failed", failed_reason=EVIL, finished_on_ms=NOW_MS), take_in())
    )()
    html = await page(viewer, "since:1h")
    assert len(ids(html)) == 1
    assert is_inert(html)
    assert is_inert(await page(viewer, EVIL))


# --- for whom


async def test_a_queue_that_is_not_seen_is_not_there(found):
    browser = await granted("view_payload")
    for q in ("since:3h", "lighthouse", "pay-1", "queue:payroll", "-queue:chat"):
        html = await page(browser, q)
        assert "pay-1" not in ids(html), q
        assert "salary" not in html, q
    assert ids(await page(browser, "lighthouse")) == ["4711"]
    assert "1 job fits." in text_of(await page(browser, "lighthouse"))
    for form in ("csv", "jsonl"):
        assert "salary" not in await exported(browser, "since:3h", form)
    for typed in ("queue:pay", "pay", "pay-1", "salary", "name:sal"):
        offered = await suggested(browser, typed)
        assert "payroll" not in offered, typed
        assert "salary" not in offered, typed


async def test_what_jobs_carry_is_neither_shown_nor_found_without_the_right(found):
    browser = await granted()
    assert ids(await page(browser, "lighthouse")) == []
    assert ids(await page(browser, "error:timeout")) == []
    assert ids(await page(browser, "data.user.id:42")) == []
    html = await page(browser, "name:summarize")
    assert ids(html) == ["4711"]
    assert "TimeoutError" not in html
    for form in ("csv", "jsonl"):
        told = await exported(browser, "name:summarize", form)
        assert "4711" in told
        assert "TimeoutError" not in told
        assert "lighthouse" not in told


async def test_nobody_finds_a_secret_by_searching(admin, found):
    assert ids(await page(admin, SECRET)) == []
    assert ids(await page(admin, f"data.password:{SECRET}")) == []
    assert SECRET not in (await page(admin, "since:3h"))


# --- written down


async def test_all_that_fits_is_written_down_masked_and_safe_to_open(admin, connection):
    def plant() -> None:
        for n in range(230):
            kept(f"j{n}", name='=HYPERLINK("x")' if n == 7 else "work", data={"n": n, "token": SECRET})
        kept(
            "+1",
            "mail",
            name="@x",
            state="failed",
            finished_on_ms=NOW_MS,
            failed_reason=f"-1 password={SECRET}",
            return_value='{"ok": 1}',
        )
        take_in()

    await sync_to_async(plant)()
    rows = list(csv.DictReader(io.StringIO(await exported(admin, "since:1h", "csv"))))
    assert len(rows) == 231
    assert {row["id"] for row in rows} == {*(f"j{n}" for n in range(230)), "'+1"}
    odd = next(row for row in rows if row["id"] == "'+1")
    assert (odd["name"], odd["error"], odd["result"]) == ("'@x", "'-1 password=•••", '{"ok": 1}')
    assert next(row["name"] for row in rows if row["id"] == "j7") == '\'=HYPERLINK("x")'
    assert next(row["data"] for row in rows if row["id"] == "j7") == '{"n": 7, "token": "•••"}'
    lines = [json.loads(line) for line in (await exported(admin, "state:failed", "jsonl")).splitlines()]
    assert [(line["id"], line["connection"], line["attempts"]) for line in lines] == [("+1", "default", 0)]


# --- views


async def test_a_view_is_kept_shared_and_removed_and_that_is_recorded(viewer, operator, found):
    form = {"q": "state:failed since:2h", "name": "What burns", "shared": "1"}
    answer = await viewer.post(f"{SEARCH}?action=save", form)
    assert answer.status_code == 303
    assert answer["Location"] == f"{SEARCH}?q=state%3Afailed+since%3A2h"
    await viewer.post(f"{SEARCH}?action=save", {"q": "mine", "name": "Mine"})
    assert "What burns" in await page(operator, "")
    assert "of viewer" in text_of(await page(operator, ""))
    assert "Mine" not in await page(operator, "")
    assert "What burns" in await suggested(operator, "burn")
    view = await SavedView.objects.aget(name="What burns")
    refused = await operator.post(f"{SEARCH}?action=forget", {"view": view.pk})
    assert refused.status_code == 404
    await viewer.post(f"{SEARCH}?action=save", {"q": "state:failed", "name": "What burns"})
    assert (await SavedView.objects.aget(name="What burns")).query == "state:failed"
    await viewer.post(f"{SEARCH}?action=forget", {"view": view.pk})
    assert [kept.name async for kept in SavedView.objects.all()] == ["Mine"]
    told = [(e.actor, e.action, e.outcome) async for e in AuditEntry.objects.order_by("pk")]
    assert told == [("viewer", "search.save", "done")] * 3 + [("viewer", "search.forget", "done")]


async def test_a_view_needs_a_name_and_a_search_that_can_be_read(viewer, found):
    for form in (
        {"q": "x", "name": " "},
        {"q": "x", "name": "a" * 81},
        {"q": '"open', "name": "n"},
        {"name": "\u202e"},
    ):
        assert (await viewer.post(f"{SEARCH}?action=save", form)).status_code == 400, form
    assert not await SavedView.objects.aexists()


async def test_a_shared_view_that_names_a_hidden_queue_is_shown_to_nobody_who_may_not_see_it(viewer, found):
    await queue("payroll").add("salary", {})
    for name, q in (("Pay", "queue:payroll"), ("payroll watch", "state:failed"), ("Open", "state:failed")):
        await viewer.post(f"{SEARCH}?action=save", {"q": q, "name": name, "shared": "1"})
    browser = await granted()
    html = await page(browser, "")
    assert "Open" in html
    assert "payroll" not in html
    assert "Pay<" not in html
    assert "payroll" not in await suggested(browser, "pay")


# --- the box


async def suggested(browser: Browser, typed: str) -> str:
    answer = await browser.get(SEARCH, {"fragment": "suggest", "q": typed}, htmx=True)
    assert answer.status_code == 200
    return answer.content.decode()


async def test_the_box_offers_queues_jobs_and_terms_for_what_is_typed(viewer, found, connection):
    await queue("summaries").add("work", {}, job_id="order-9")
    html = await suggested(viewer, "summ")
    assert 'data-url="/admin/queues/queue/summaries"' in html
    assert 'data-url="/admin/queues/queue/summaries/order-9"' in await suggested(viewer, "order-9")
    assert 'data-fill="state:failed state:' in await suggested(viewer, "state:failed sta")
    assert "queue:chat " in unescape(await suggested(viewer, "queue:c"))
    assert is_inert(await suggested(viewer, EVIL))


async def test_the_box_is_on_every_page_and_without_script_a_form(viewer, found):
    for path in ("/admin/queues/", "/admin/queues/workers", SEARCH, "/admin/queues/settings"):
        html = (await viewer.get(path)).content.decode()
        assert f'role="search" aria-label="Search all jobs" action="{SEARCH}"' in html
        assert 'id="seek" name="q"' in html


# --- acting


async def test_what_was_found_is_acted_on_through_an_operation_and_only_by_who_may(viewer, operator, admin, found):
    assert "operations/new" not in await page(viewer, "state:failed")
    html = await page(operator, "state:failed")
    (retry,) = [unescape(a) for a in re.findall(r'href="([^"]*operations/new[^"]*)"', html)]
    assert retry == f"/admin/queues/operations/new?do=retry&q=state%3Afailed&at={NOW_MS}"
    assert 'name="id" value="default/chat/4711"' in html
    may_more = await page(admin, "state:failed")
    assert re.findall(r'name="do" value="([a-z]+)" data-needs-pick', may_more) == ["retry", "move", "remove"]
    ready = await page(admin, "state:waiting")
    assert re.findall(r'name="do" value="([a-z]+)" data-needs-pick', ready) == ["move", "reprioritize", "remove"]
    for do in ("retry", "move"):
        assert State.COMPLETED not in (target_of(QueryDict("q=is:live"), "default", do).states or [State.COMPLETED])
    past = await page(admin, "gone-1")
    assert "data-pick " not in past.replace("data-pick-page", "")
    assert "operations/new" not in past


async def test_the_page_of_a_past_job_is_its_own_though_another_has_its_id(admin, found, connection):
    await Job.objects.filter(job_id="gone-1").aupdate(data='{"which": "the first"}')
    await queue("mail").add("send", {"which": "the second"}, job_id="gone-1")
    at = "/admin/queues/queue/mail/gone-1"
    past = (await admin.get(f"{at}?added={NOW_MS - HOUR_MS}")).content.decode()
    assert "the first" in text_of(past)
    assert "the second" not in past
    assert "gone from Redis" in past
    for part in ("fragment=payload&show=data", "field=data", "fragment=job"):
        answer = await admin.get(f"{at}?{part}&added={NOW_MS - HOUR_MS}", htmx="fragment" in part)
        body = b"".join([p async for p in answer.streaming_content]) if answer.streaming else answer.content
        assert b"the first" in body, part
        assert b"the second" not in body, part
    shown = await admin.post(f"{at}?action=reveal&added={NOW_MS - HOUR_MS}", {"field": "data"}, htmx=True)
    assert "the first" in shown.content.decode()
    now = (await admin.get(at)).content.decode()
    assert "the second" in now
    kin = (await admin.get(f"{at}?fragment=kin", htmx=True)).content.decode()
    assert "Others that had this id" in kin
    assert f"added={NOW_MS - HOUR_MS}" in kin


async def test_where_no_mirror_ever_ran_redis_is_looked_at_and_the_page_says_so(
    admin, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 3, reason=f"TimeoutError: password={SECRET}")
    html = await page(admin, "state:failed error:timeout", at="")
    assert len(ids(html)) == 3
    assert SECRET not in html
    assert "Redis" in text_of(re.findall(r'<p class="searched"[^>]*>(.*?)</p>', html, re.DOTALL)[0])
    rows = list(csv.DictReader(io.StringIO(await exported(admin, "error:timeout", "csv"))))
    assert [(row["queue"], row["state"], row["error"]) for row in rows] == [
        ("chat", "failed", "TimeoutError: password=•••")
    ] * 3
    assert all(row["data"] for row in rows)


async def test_while_redis_is_away_what_the_mirror_kept_is_found_all_the_same(admin, found, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": "redis://127.0.0.1:1/0", "PREFIX": "none"}}}
    reset_options()
    for q in ("state:failed", "4711"):
        assert ids(await page(admin, q)) == ["4711"]
    assert "lighthouse" in await exported(admin, "4711", "jsonl")
    assert (await admin.get(SEARCH, {"fragment": "suggest", "q": "sta"}, htmx=True)).status_code == 200
