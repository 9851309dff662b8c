"""The palette's server side: queues by some letters, jobs by their id, pages and actions; a page of its own too."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from dashboard.models import QueueGrant
from dashboard.pages.shell.jump import score
from queues import queue
from tests.planting import plant_failed, plant_waiting
from tests.web.browser import Browser
from tests.web.planted import EVIL, is_inert, plant_evil, text_of

JUMP = "/admin/queues/jump"
database = pytest.mark.django_db(transaction=True)


async def found(browser: Browser, asked: str, here: str = "") -> list[tuple[str, str]]:
    """What the palette's list shows: each one's text and where it leads."""
    answer = await browser.get(JUMP, {"fragment": "found", "q": asked, "here": here}, htmx=True)
    assert answer.status_code == 200, answer.content
    html = answer.content.decode()
    options = re.findall(r'<li role="option"[^>]*data-url="([^"]*)"[^>]*>(.*?)</li>', html, re.DOTALL)
    return [(text_of(shown), unescape(url)) for url, shown in options]


def test_whole_names_beat_beginnings_beat_words_beat_letters() -> None:
    names = ["orders", "orders-eu", "eu-orders", "reorders", "o-r-d-e-r-s-x", "mail"]
    points = [score("orders", name) for name in names]
    assert points == sorted(points, reverse=True)
    assert points[-1] == 0
    assert points[-2] > 0


@given(asked=st.text(max_size=30), name=st.text(max_size=60))
def test_scoring_never_fails_and_what_holds_the_letters_is_found(asked: str, name: str) -> None:
    assert score(asked, name) >= 0
    if asked.strip() and asked.casefold().replace(" ", "") in name.casefold():
        assert score(asked, name) > 0


@database
async def test_a_queue_is_found_by_letters_and_its_failed_jobs_by_the_state(
    viewer, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "deep-research", 3)
    await plant_waiting(connection, "chat", 1)
    assert (await found(viewer, "dprs"))[0] == ("queue deep-research 3 failed", "/admin/queues/queue/deep-research")
    texts = await found(viewer, "research fail")
    assert texts[0] == ("queue deep-research · failed 3", "/admin/queues/queue/deep-research?status=failed")


@database
async def test_a_job_is_found_by_its_id_in_every_queue_that_has_it(viewer, connection):
    for name in ("chat", "mail"):
        await queue(name).add("work", {}, job_id="order-77")
    await queue("scan").add("work", {})
    links = await found(viewer, "order-77")
    assert links[:2] == [
        ("job order-77 in chat", "/admin/queues/queue/chat/order-77"),
        ("job order-77 in mail", "/admin/queues/queue/mail/order-77"),
    ]
    for no_job in ("meta", "wait", "events", "id"):
        assert not [text for text, _ in await found(viewer, no_job) if text.startswith("job ")]


@database
async def test_who_does_not_see_a_queue_finds_neither_it_nor_its_jobs(transactional_db, connection):
    for name in ("chat", "payroll"):
        await queue(name).add("work", {}, job_id="order-77")
    user = await User.objects.acreate_user("part", is_staff=True)
    await QueueGrant.objects.acreate(user=user, connection="*", queue="chat", abilities=["view"])
    browser = Browser()
    await browser.aforce_login(user)
    shown = [text for asked in ("order-77", "pay", "") for text, _ in await found(browser, asked, here="payroll")]
    assert any("chat" in text for text in shown)
    assert not any("payroll" in text for text in shown)


@database
async def test_actions_are_offered_to_those_who_may(admin, viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    offered = dict(await found(admin, "", here="chat"))
    assert offered["action Pause chat"] == "/admin/queues/queue/chat?action=pause"
    assert offered["action Retry all failed in chat…"].endswith("status=failed&confirm=retry-all")
    assert not [text for text, _ in await found(viewer, "", here="chat") if "chat" in text and "action" in text]
    answer = await viewer.get(JUMP, {"fragment": "found", "q": "dark th"}, htmx=True)
    fields = re.search(r'data-fields="([^"]*)"', answer.content.decode())
    assert fields
    assert json.loads(unescape(fields[1])) == {"theme": "dark"}


@database
async def test_a_verb_and_a_name_are_an_action_from_anywhere(operator, viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    plant_failed(client_of_redis, prefix, "mail")
    for typed in ("pause chat", "Pause ch"):
        assert (await found(operator, typed))[0] == ("action Pause chat", "/admin/queues/queue/chat?action=pause")
    (first, *_) = await found(operator, "retry chat")
    assert first == ("action Retry all failed in chat…", "/admin/queues/queue/chat?status=failed&confirm=retry-all")
    assert not [label for label, _url in await found(viewer, "pause chat") if label.startswith("action")]


@database
async def test_pages_that_are_there_are_offered_and_no_others(viewer, connection):
    pages = {url for text, url in await found(viewer, "") if text.startswith("page")}
    assert "/admin/queues/workers" in pages
    for url in pages:
        assert (await viewer.get(url)).status_code in (200, 302), url


@database
async def test_without_script_it_is_a_page_with_links_and_forms(viewer, connection):
    await queue("chat").add("work", {}, job_id="a77")
    html = (await viewer.get(JUMP, {"q": "dark"})).content.decode()
    assert html.count("<h1") == 1
    form = re.search(r'<form class="inline" method="post" action="/admin/queues/settings">.*?</form>', html, re.DOTALL)
    assert form
    assert 'name="theme" value="dark"' in form[0]
    answer = await viewer.get(JUMP, {"q": "a77", "go": "1"})
    assert answer["Location"] == "/admin/queues/queue/chat/a77"
    assert "Nothing found" in (await viewer.get(JUMP, {"q": "no such thing"})).content.decode()


@database
async def test_markup_stays_text(admin, connection, client_of_redis, prefix):
    plant_evil(client_of_redis, prefix)
    for query in ({"q": EVIL}, {"q": EVIL, "fragment": "found"}, {"here": EVIL}):
        answer = await admin.get(JUMP, query, htmx="fragment" in query)
        assert answer.status_code == 200
        assert is_inert(answer.content.decode())
    assert (await found(admin, EVIL))[0][0].startswith("job")


@database
async def test_one_id_is_looked_for_in_five_hundred_queues_in_one_round_trip(
    viewer, connection, client_of_redis, prefix
):
    with client_of_redis.pipeline(transaction=False) as pipe:
        for number in range(500):
            pipe.hset(f"{prefix}:queue-{number}:meta", "version", "bullmq:6.7.0")
        pipe.hset(f"{prefix}:queue-321:abc", "timestamp", "1")
        pipe.execute()
    assert (await found(viewer, "abc"))[0] == ("job abc in queue-321", "/admin/queues/queue/queue-321/abc")
