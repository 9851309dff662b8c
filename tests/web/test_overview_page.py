"""Every queue on one page: found, counted, and said in words where something is wrong."""

from __future__ import annotations

import json
import re
import time

import pytest
import redis

from queues.lookups.snapshot import snapshot
from queues.options import reset_options
from tests.eventually import Stopwatch, eventually
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.planted import text_of

pytestmark = pytest.mark.django_db(transaction=True)
OVERVIEW = "/admin/queues/"


async def page(browser, path: str = OVERVIEW, **kwargs) -> str:
    answer = await browser.get(path, **kwargs)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def row(html: str, name: str) -> str:
    found = re.search(rf'<tr id="[^"]*" data-name="{re.escape(name)}" role="row">.*?</tr>', html, re.DOTALL)
    assert found, f"no row for {name}"
    return found[0]


def numbers(html: str) -> dict[str, str]:
    return dict(re.findall(r'data-n="([a-z-]+)" data-value="(\d+)"', html))


def names(html: str) -> list[str]:
    """Of the rows that are seen: what a filter leaves out lies hidden below them."""
    seen = html.partition('<tbody role="rowgroup" hidden>')[0]
    return re.findall(r'<tr id="[^"]*" data-name="([^"]*)" role="row">', seen)


async def is_stale() -> bool:
    return bool((await snapshot(max_age_s=0)).error)


async def test_each_queue_under_the_prefix_has_its_counts(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 3)
    await plant_delayed(connection, "chat", 2)
    plant_failed(client_of_redis, prefix, "scan", 4)
    html = await page(viewer)
    assert names(html) == ["chat", "scan"]
    assert numbers(row(html, "chat")) == {
        "waiting": "3",
        "active": "0",
        "prioritized": "0",
        "delayed": "2",
        "failed": "0",
        "completed": "0",
        "waiting-children": "0",
    }
    assert numbers(row(html, "scan"))["failed"] == "4"
    assert "2 queues" in html


async def test_a_count_leads_to_its_jobs_and_nought_to_nowhere(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "a/b", 2)
    html = row(await page(viewer), "a/b")
    assert 'href="/admin/queues/queue/a%2Fb?status=failed">2</a>' in html
    assert "status=waiting" not in html


async def test_both_addresses_answer(viewer, connection):
    assert (await viewer.get("/admin/queues")).status_code == 200


async def test_an_empty_redis_says_where_it_was_searched_and_how_to_begin(viewer, connection, redis_server, prefix):
    html = await page(viewer)
    assert "No queues yet" in html
    assert prefix in html
    assert redis_server.url in html
    assert "queue(&quot;chat&quot;).sync.add" in html.replace('"chat"', "&quot;chat&quot;")


async def test_the_password_of_redis_is_not_shown(viewer, settings, own_redis, prefix):
    with redis.Redis(port=own_redis.port) as client:
        client.acl_setuser("ana", enabled=True, passwords=["+s3cret"], keys=["*"], commands=["+@all"])
    url = own_redis.url.replace("redis://", "redis://ana:s3cret@")
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": url, "PREFIX": prefix}}}
    reset_options()
    html = await page(viewer)
    assert "redis://ana:***@" in html
    assert "s3cret" not in html
    reset_options()


async def test_a_queue_without_workers_and_one_paused_say_so(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "deserted", 2)
    await plant_waiting(connection, "stopped", 1)
    client_of_redis.hset(f"{prefix}:stopped:meta", "paused", 1)
    html = await page(viewer)
    assert "2 jobs waiting and no worker connected" in row(html, "deserted")
    assert "1 job waits until it is resumed" in row(html, "stopped")
    assert "no worker connected" not in row(html, "stopped")


async def test_who_paused_a_queue_is_told_with_since_when(admin, connection):
    await plant_waiting(connection, "held", 1)
    assert (await admin.post("/admin/queues/queue/held?action=pause", htmx=True)).status_code == 200
    shown = row(await page(admin), "held")
    assert "by admin since" in text_of(shown)
    assert "It was paused by admin." in shown


async def test_a_key_of_the_wrong_type_breaks_its_row_alone(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "fine", 1)
    client_of_redis.hset(f"{prefix}:odd:meta", "version", "bullmq:6")
    client_of_redis.set(f"{prefix}:odd:wait", "not a list")
    html = await page(viewer)
    assert "Broken:" in row(html, "odd")
    assert "Broken:" not in row(html, "fine")


async def test_the_oldest_waiting_job_tells_its_age(viewer, connection, client_of_redis, prefix):
    (job_id,) = await plant_waiting(connection, "chat", 1)
    client_of_redis.hset(f"{prefix}:chat:{job_id}", "timestamp", int(time.time() * 1000) - 41 * 60_000 - 5_000)
    assert re.search(r'data-time="age"[^>]*>41 min</time>', row(await page(viewer), "chat"))


async def test_rows_are_sorted_as_asked_and_by_name_otherwise(viewer, connection, client_of_redis, prefix):
    for name, count in (("a", 1), ("b", 3), ("c", 2)):
        plant_failed(client_of_redis, prefix, name, count)
    assert names(await page(viewer)) == ["a", "b", "c"]
    assert names(await page(viewer, OVERVIEW + "?sort=failed")) == ["b", "c", "a"]
    assert names(await page(viewer, OVERVIEW + "?sort=bogus")) == ["a", "b", "c"]


async def test_finding_works_without_script_and_says_how_many(viewer, connection, client_of_redis, prefix):
    for name in ("chat", "chat-eu", "scan"):
        plant_failed(client_of_redis, prefix, name)
    html = await page(viewer, OVERVIEW + "?q=CHAT")
    assert names(html) == ["chat", "chat-eu"]
    assert "2 of 3 queues match" in html


async def test_queries_of_any_kind_are_shown_as_text(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat")
    html = await page(viewer, OVERVIEW + "?q=%3Cscript%3Ealert(1)%3C/script%3E%22onfocus=x&sort=%22%3E%3Cb%3E")
    assert "<script>alert" not in html
    assert '"onfocus' not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;onfocus=x" in html


async def test_a_queue_named_like_markup_is_text_everywhere(viewer, connection, client_of_redis, prefix):
    name = "<img src=x onerror=alert(1)>\"'{{7*7}}"
    plant_failed(client_of_redis, prefix, name, 1)
    html = await page(viewer)
    assert "<img" not in html
    assert "{{7*7}}" in html
    assert 'data-name="&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;{{7*7}}"' in html


async def test_totals_count_all_queues(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "a", 2)
    plant_failed(client_of_redis, prefix, "b", 3)
    html = await page(viewer)
    assert re.search(r'data-total="failed">5</b> failed', html)


async def test_no_element_id_occurs_twice(viewer, connection, client_of_redis, prefix):
    for name in ("a b", "a_b", "a/b", "A b", "a\tb"):
        plant_failed(client_of_redis, prefix, name)
    html = await page(viewer)
    ids = re.findall(r'\sid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Za-z][\w-]*", found) for found in ids)


async def test_another_connection_is_named_in_every_link(viewer, settings, redis_server, prefix, client_of_redis):
    place = {"URL": redis_server.url, "PREFIX": prefix}
    settings.TORIL = {"CONNECTIONS": {"default": place, "other": {**place, "PREFIX": prefix + "o"}}}
    reset_options()
    plant_failed(client_of_redis, prefix + "o", "chat", 2)
    html = await page(viewer, OVERVIEW + "?connection=other")
    assert 'href="/admin/queues/queue/chat?connection=other"' in html
    assert "queue/chat?status=failed&amp;connection=other" in html
    assert "/admin/queues/live?" in html
    assert "connection=other" in re.search(r'hx-ws:connect="([^"]*)"', html)[1]
    assert names(await page(viewer)) == []
    reset_options()


async def test_an_unknown_connection_is_not_found_and_names_those_that_exist(viewer, connection):
    answer = await viewer.get(OVERVIEW + "?connection=%3Cb%3Enope")
    assert answer.status_code == 404
    assert "There is no connection named “&lt;b&gt;nope”; configured: default." in answer.content.decode()


async def test_redis_away_is_said_within_two_seconds_with_the_last_figures(viewer, settings, own_redis, prefix):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    with redis.Redis(port=own_redis.port) as client:
        plant_failed(client, prefix, "chat", 7)
    assert numbers(row(await page(viewer), "chat"))["failed"] == "7"
    own_redis.stop()
    await eventually(is_stale)
    watch = Stopwatch()
    html = await page(viewer)
    assert watch.calm_s < 2
    assert "Redis has not answered for" in html
    assert "figures from" in html
    assert numbers(row(html, "chat"))["failed"] == "7"
    reset_options()


async def test_redis_that_never_answered_is_a_page_of_its_own(viewer, settings, own_redis):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url}}}
    reset_options()
    own_redis.stop()
    watch = Stopwatch()
    answer = await viewer.get(OVERVIEW)
    assert watch.calm_s < 2
    assert answer.status_code == 503
    assert "Try again" in answer.content.decode()
    reset_options()


async def test_a_form_that_says_nothing_does_nothing(admin, connection):
    assert (await admin.post(OVERVIEW)).status_code == 405
    assert (await admin.post(OVERVIEW + "?action=obliterate")).status_code == 400
    assert (await admin.post(OVERVIEW + "?action=pause", {"plan": "[]"})).status_code == 400


async def test_what_a_filter_leaves_out_still_counts_in_the_totals(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    plant_failed(client_of_redis, prefix, "scan", 3)
    html = await page(viewer, OVERVIEW + "?q=chat")
    assert re.search(r'data-total="failed">5</b>', html)
    assert numbers(row(html, "scan"))["failed"] == "3"


async def test_queues_are_narrowed_to_a_state_or_a_trouble(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "waits", 2)
    plant_failed(client_of_redis, prefix, "fails")
    await plant_waiting(connection, "paused", 1)
    client_of_redis.hset(f"{prefix}:paused:meta", "paused", 1)
    client_of_redis.hset(f"{prefix}:held:meta", mapping={"max": 1, "duration": 60_000})
    client_of_redis.set(f"{prefix}:held:limiter", 1, px=60_000)
    await plant_waiting(connection, "held", 1)
    client_of_redis.hset(f"{prefix}:odd:meta", "version", "bullmq:6")
    client_of_redis.set(f"{prefix}:odd:wait", "not a list")
    client_of_redis.hset(f"{prefix}::{{toril}}:minute:{int(time.time() // 60) - 1}", mapping={"cwaits": 9, "fwaits": 1})
    for narrow, found in {
        "state=failed": ["fails"],
        "trouble=paused": ["paused"],
        "trouble=limited": ["held"],
        "trouble=no-workers": ["held", "waits"],
        "trouble=broken": ["odd"],
        "trouble=failing": ["waits"],
        "trouble=%3Cb%3E": ["fails", "held", "odd", "paused", "waits"],
    }.items():
        assert names(await page(viewer, f"{OVERVIEW}?{narrow}")) == found, narrow
    html = await page(viewer, OVERVIEW + "?state=delayed")
    assert names(html) == []
    assert "No queue is so now." in html


async def test_a_queue_tells_its_last_hour(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 60)
    now = int(time.time() // 60)
    for back in range(1, 6):
        client_of_redis.hset(f"{prefix}::{{toril}}:minute:{now - back}", mapping={"cchat": 27, "fchat": 3})
    html = row(await page(viewer), "chat")
    assert text_of(re.search(r'c-rate".*?</td>', html)[0]).endswith("30/min")
    assert ">10 %<" in html
    assert ">2 min<" in html
    assert "150 jobs ended in the last hour, 15 of them failed" in html
    quiet = row(await page(viewer), "chat")
    assert quiet == html


async def test_every_column_sorts_and_again_the_other_way_round(viewer, connection, client_of_redis, prefix):
    now = int(time.time() // 60) - 1
    plant_failed(client_of_redis, prefix, "a", 1)
    await plant_waiting(connection, "b", 2)
    await plant_waiting(connection, "c", 50)
    client_of_redis.hset(f"{prefix}::{{toril}}:minute:{now}", mapping={"cb": 5, "fb": 5, "cc": 50, "fc": 0})
    for sort, order in {
        "rate": "cba",
        "failing": "bca",
        "drain": "cba",
        "waiting": "cba",
        "-waiting": "abc",
        "-name": "cba",
        "-rate": "bca",
    }.items():
        assert "".join(names(await page(viewer, f"{OVERVIEW}?sort={sort}"))) == order, sort
    html = await page(viewer, OVERVIEW + "?sort=rate&q=b")
    assert re.search(r'c-rate" aria-sort="descending"><a href="[^"]*q=b&amp;sort=-rate"', html)


def groups_of(html: str) -> dict[str, list[str]]:
    bodies = re.findall(r'<tbody role="rowgroup"([^>]*)>(.*?)</tbody>', html, re.DOTALL)
    found = {}
    for head, body in bodies:
        path = re.search(r'data-group="([^"]*)"', head)
        is_alone = names(body) and "hidden" not in head
        found[path[1] if path else "starred" if "starred" in head else "alone" if is_alone else ""] = names(body)
    return found


async def test_queues_stand_in_groups_with_sums_and_groups_of_one_are_none(viewer, connection, client_of_redis, prefix):
    for name, count in {"mail.eu.in": 1, "mail.eu.out": 2, "mail.us": 4, "chat": 8, "x.y": 1}.items():
        plant_failed(client_of_redis, prefix, name, count)
    html = await page(viewer)
    found = groups_of(html)
    assert found["alone"] == ["chat", "x.y"]
    assert found["mail"] == ["mail.us"]
    assert found["mail.eu"] == ["mail.eu.in", "mail.eu.out"]
    mail = re.search(r'data-group="mail" .*?</tr>', html, re.DOTALL)[0]
    assert re.search(r'data-sum="failed">7<', mail)
    flat = groups_of(await page(viewer, OVERVIEW + "?view=flat"))
    assert flat["alone"] == ["chat", "mail.eu.in", "mail.eu.out", "mail.us", "x.y"]


async def test_groups_are_closed_by_the_address_or_by_what_the_browser_remembers(
    viewer, connection, client_of_redis, prefix
):
    for name in ("mail.in", "mail.out", "scan.a", "scan.b"):
        plant_failed(client_of_redis, prefix, name)
    html = await page(viewer)
    assert "?closed=mail" in html
    viewer.cookies["toril_closed"] = "mail"
    html = await page(viewer)
    assert 'data-group="mail" class="depth-1 closed"' in html
    assert 'data-group="scan" class="depth-1"' in html
    html = await page(viewer, OVERVIEW + "?closed=scan")
    assert 'data-group="mail" class="depth-1"' in html
    assert 'data-group="scan" class="depth-1 closed"' in html


async def test_delimiter_title_and_description_come_from_the_settings(
    viewer, settings, connection, client_of_redis, prefix
):
    settings.TORIL = {
        **settings.TORIL,
        "DASHBOARD": {
            "delimiter": "-",
            "queues": {"a-x": {"title": "The X", "description": "What X does"}, "b-*": {"delimiter": ""}},
        },
    }
    reset_options()
    for name in ("a-x", "a-y", "b-x", "b-y"):
        plant_failed(client_of_redis, prefix, name)
    html = await page(viewer)
    assert groups_of(html)["a"] == ["a-x", "a-y"]
    assert groups_of(html)["alone"] == ["b-x", "b-y"]
    assert "The X" in row(html, "a-x")
    assert 'title="What X does"' in row(html, "a-x")


async def test_a_favourite_is_kept_without_script_and_stands_first(viewer, connection, client_of_redis, prefix):
    for name in ("a", "b,c é", "d"):
        plant_failed(client_of_redis, prefix, name)
    html = await page(viewer, OVERVIEW + "?star=b%2Cc+%C3%A9")
    assert "Keep b,c é among" in html
    answer = await viewer.post(OVERVIEW + "?action=star", {"name": "b,c é"})
    assert answer.status_code == 303
    html = await page(viewer)
    assert names(html) == ["b,c é", "a", "d"]
    assert groups_of(html)["starred"] == ["b,c é"]
    await viewer.post(OVERVIEW + "?action=star", {"name": "b,c é"})
    assert names(await page(viewer)) == ["a", "b,c é", "d"]


async def test_the_page_is_drawn_from_its_own_host_alone(viewer, connection):
    html = await page(viewer)
    assert not re.search(r'(src|href)="(https?:)?//', html)
    assert " style=" not in html
    assert not re.search(r"\son[a-z]+=", html)
    assert "<script>" not in html
    config = json.loads(re.search(r"<meta name=\"htmx-config\" content='([^']*)'", html)[1])
    assert config["history"] is False


async def test_the_chosen_theme_comes_with_the_page(viewer, connection):
    assert 'data-theme="' not in await page(viewer)
    viewer.cookies["toril_theme"] = "dark"
    assert 'data-theme="dark"' in await page(viewer)
    viewer.cookies["toril_theme"] = 'x"><b>'
    assert 'data-theme="' not in await page(viewer)
