"""One queue: its jobs by state in running order, paged; what is wrong in words; nothing that a job holds runs."""

from __future__ import annotations

import re
import signal
from urllib.parse import quote

import pytest
import redis

from queues.lookups.snapshot import snapshot
from queues.options import reset_options
from tests.eventually import Stopwatch, eventually
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.planted import EVIL, cells, count, is_inert, plant_evil, plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"


async def page(browser, path: str = QUEUE, **kwargs) -> str:
    answer = await browser.get(path, **kwargs)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


async def test_failed_jobs_show_their_first_error_line_newest_first(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3, reason="KeyError: 'choices'\nand more")
    html = await page(viewer, QUEUE + "?status=failed")
    assert cells(html) == ["3", "2", "1"]
    assert "KeyError: &#x27;choices&#x27;" in html
    assert "and more" not in html
    assert "1 of 1" in html
    assert "500 ms" in html


async def test_waiting_jobs_stand_in_running_order(viewer, connection):
    ids = await plant_waiting(connection, "chat", 60)
    assert cells(await page(viewer, QUEUE + "?status=waiting")) == ids[:50]
    assert cells(await page(viewer, QUEUE + "?status=wait&page=2")) == ids[50:]
    assert cells(await page(viewer, QUEUE + "?status=wait&sort=reverse")) == ids[::-1][:50]


async def test_without_a_state_the_first_that_has_jobs_is_shown(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    await plant_delayed(connection, "chat", 1)
    html = await page(viewer, QUEUE)
    assert re.search(r'status=delayed" aria-current="page"', html)
    assert len(cells(html)) == 1


async def test_bull_boards_latest_mixes_the_first_of_every_state(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 40)
    await plant_delayed(connection, "chat", 2)
    plant_job(client_of_redis, prefix, "chat", "done", "completed")
    html = await page(viewer, QUEUE + "?status=latest")
    assert re.search(r'status=latest" aria-current="page"', html)
    ids = cells(html)
    assert len(ids) == 10
    assert {"40", "34", "done"} <= set(ids)
    assert "33" not in ids
    assert "failed" in html.split("<tbody>")[1]


async def test_every_state_has_a_tab_with_its_count(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 5)
    html = await page(viewer)
    assert count(html, "failed") == 5
    for state in ("waiting", "active", "prioritized", "delayed", "completed", "waiting-children"):
        assert count(html, state) == 0
        assert f"status={state}" in html


@pytest.mark.parametrize(
    "state", ["waiting", "active", "prioritized", "delayed", "failed", "completed", "waiting-children"]
)
async def test_every_state_has_its_own_columns_and_its_own_empty_sentence(
    viewer, connection, client_of_redis, prefix, state
):
    client_of_redis.hset(f"{prefix}:chat:meta", "version", "bullmq:6")
    empty = text_of(await page(viewer, f"{QUEUE}?status={state}"))
    assert f"No {state.replace('-children', ' for children')} jobs" in empty
    if state in ("waiting", "active"):
        client_of_redis.lpush(f"{prefix}:chat:{'wait' if state == 'waiting' else 'active'}", "7")
        client_of_redis.hset(f"{prefix}:chat:7", mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": 1})
    else:
        plant_job(client_of_redis, prefix, "chat", "7", state)
    html = await page(viewer, f"{QUEUE}?status={state}")
    assert cells(html) == ["7"]
    head, body = re.findall(r"<t[hd][ >]", html.split("<tbody>")[0].split("<thead>")[1]), html.split("<tbody>")[1]
    assert len(head) == len(re.findall(r"<td[ >]", body.split("</tr>")[0]))


# --- pages


async def test_paging_says_where_it_is_and_leads_on(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 60)
    html = await page(viewer, QUEUE + "?status=failed&jobsPerPage=25")
    assert "1–25 of 60" in text_of(html)
    assert 'href="/admin/queues/queue/chat?status=failed&amp;page=2&amp;jobsPerPage=25" rel="next"' in html
    assert 'href="/admin/queues/queue/chat?status=failed&amp;page=3&amp;jobsPerPage=25"' in html
    last = await page(viewer, QUEUE + "?status=failed&jobsPerPage=25&page=3")
    assert "51–60 of 60" in text_of(last)
    assert 'rel="next"' not in last
    assert 'rel="prev"' in last


async def test_bull_boards_page_size_is_accepted_up_to_300(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 310)
    assert len(cells(await page(viewer, QUEUE + "?status=failed&jobsPerPage=300"))) == 300
    assert len(cells(await page(viewer, QUEUE + "?status=failed&per_page=7"))) == 7
    html = await page(viewer, QUEUE + "?status=failed&jobsPerPage=100&page=2")
    assert "status=failed&amp;page=3&amp;jobsPerPage=100" in html


async def test_a_deep_page_asks_redis_no_more_than_the_first(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 10_000)
    await page(viewer, f"{QUEUE}?status=failed&jobsPerPage=25")
    asked = {}
    for number in (1, 400):
        before = client_of_redis.info("stats")
        html = await page(viewer, f"{QUEUE}?status=failed&jobsPerPage=25&page={number}")
        after = client_of_redis.info("stats")
        asked[number] = after["total_commands_processed"] - before["total_commands_processed"]
        assert after["total_net_output_bytes"] - before["total_net_output_bytes"] < 60_000
    assert "9,976–10,000 of 10,000" in text_of(html)
    assert abs(asked[400] - asked[1]) <= 25


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("page=abc", "“abc” is no number for page"),
        ("page=-1", "“-1” is no number for page"),
        ("page=%C2%B2", "“²” is no number for page"),
        ("page=" + "9" * 5000, "is no number for page"),
        ("page=9", "There is no page 9: this is the last one."),
        ("jobsPerPage=0", "“0” is no number for jobsPerPage"),
        ("jobsPerPage=301", "“301” is no number for jobsPerPage"),
        ("status=bogus", "There is no state “bogus”; these are the failed jobs."),
        ("status=%3Cb%3E", "There is no state “<b>”"),
    ],
)
async def test_bad_input_narrows_nothing_and_is_named(viewer, connection, client_of_redis, prefix, query, said):
    plant_failed(client_of_redis, prefix, "chat", 2)
    html = await page(viewer, f"{QUEUE}?{query}")
    assert said in text_of(html)
    assert len(cells(html)) == 2
    assert "<b>”" not in html


# --- what may be there


async def test_markup_in_every_field_stays_text(admin, connection, client_of_redis, prefix):
    evil = quote(plant_evil(client_of_redis, prefix), safe="")
    for state in ("failed", "delayed", "completed"):
        plant_evil(client_of_redis, prefix, state)
        html = await page(admin, f"/admin/queues/queue/{evil}?status={state}")
        assert is_inert(html)
        assert EVIL.replace(" ", "") in text_of(html).replace(" ", "") or "alert(2)" in html
        assert all(re.fullmatch(r"[A-Za-z][\w-]*", found) for found in re.findall(r'\sid="([^"]*)"', html))


async def test_a_broken_job_says_what_is_wrong_in_its_line(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", "corrupt", data="{oops", opts="nope", finishedOn="soon", atm="x")
    client_of_redis.zadd(f"{prefix}:chat:failed", {"ghost": 1})
    client_of_redis.zadd(f"{prefix}:chat:failed", {"notahash": 2})
    client_of_redis.set(f"{prefix}:chat:notahash", "text")
    html = await page(viewer, QUEUE + "?status=failed")
    assert set(cells(html)) == {"corrupt", "ghost", "notahash"}
    assert "its hash is gone" in html
    assert "WRONGTYPE" in html


async def test_a_job_that_does_not_know_when_it_was_added_gets_no_age(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    [job_id] = client_of_redis.lrange(f"{prefix}:chat:wait", 0, -1)
    client_of_redis.hset(f"{prefix}:chat:{job_id.decode()}", "timestamp", "soon")
    assert " d ago" not in text_of(await page(viewer))


async def test_large_payloads_do_not_reach_the_list(viewer, connection, client_of_redis, prefix):
    for n in range(25):
        plant_job(client_of_redis, prefix, "chat", str(n), data='"' + "x" * 500_000 + '"', failedReason="y" * 100_000)
    html = await page(viewer, QUEUE + "?status=failed")
    assert len(cells(html)) == 25
    assert len(html) < 150_000


async def test_a_key_of_the_wrong_type_is_a_sentence_not_an_error(viewer, connection, client_of_redis, prefix):
    client_of_redis.hset(f"{prefix}:chat:meta", "version", "bullmq:6")
    client_of_redis.set(f"{prefix}:chat:failed", "text")
    html = text_of(await page(viewer, QUEUE + "?status=failed"))
    assert "Broken:" in html
    assert "These jobs cannot be listed now" in html


async def test_a_queue_and_a_job_with_the_same_letters_are_told_apart(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "a/b", "1", name="of-a-slash-b")
    plant_job(client_of_redis, prefix, "a", "b/1", name="of-a")
    assert cells(await page(viewer, "/admin/queues/queue/a%2Fb?status=failed")) == ["1"]
    html = await page(viewer, "/admin/queues/queue/a?status=failed")
    assert cells(html) == ["b/1"]
    assert 'href="/admin/queues/queue/a/b%2F1"' in html


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_queue_no_path_can_name_has_a_door(viewer, connection, client_of_redis, prefix, name):
    plant_job(client_of_redis, prefix, name, "1")
    assert f'href="/admin/queues/queue?name={name}"' in await page(viewer, "/admin/queues/")
    assert cells(await page(viewer, f"/admin/queues/queue?name={name}&status=failed")) == ["1"]


async def test_an_unknown_queue_is_not_found_in_a_helpful_sentence(viewer, connection):
    answer = await viewer.get("/admin/queues/queue/%3Cb%3Enope")
    assert answer.status_code == 404
    assert "There is no queue named “&lt;b&gt;nope”." in answer.content.decode()
    assert "All queues" in answer.content.decode()


async def test_trouble_is_said_in_sentences(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 3)
    client_of_redis.hset(f"{prefix}:chat:meta", mapping={"max": 10, "duration": 60_000})
    client_of_redis.set(f"{prefix}:chat:limiter", 10, px=30_000)
    html = await page(viewer)
    assert "3 jobs waiting and no worker connected: nothing runs until one is." in text_of(html)
    assert re.search(r"limited for [\d.]+ s", text_of(html))
    assert re.search(r"The next job starts within [\d.]+ s: the rate limit \(10 per minute\) is used up\.", html)
    client_of_redis.hset(f"{prefix}:chat:meta", "paused", 1)
    from queues.lookups.snapshot import refresh

    await refresh(connection, ["chat"])
    assert "Paused: 3 jobs wait until it is resumed." in text_of(await page(viewer))


async def test_redis_away_leaves_the_figures_and_says_so_within_two_seconds(viewer, settings, own_redis, prefix):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    with redis.Redis(port=own_redis.port) as client:
        plant_failed(client, prefix, "chat", 7)
    assert len(cells(await page(viewer, QUEUE + "?status=failed"))) == 7
    own_redis.stop()

    async def is_stale() -> bool:
        return bool((await snapshot(max_age_s=0)).error)

    await eventually(is_stale)
    watch = Stopwatch()
    html = await page(viewer, QUEUE + "?status=failed")
    assert watch.calm_s < 2
    assert count(html, "failed") == 7
    assert "Redis has not answered for" in html
    assert "These jobs cannot be listed now" in html
    reset_options()


async def is_old() -> bool:
    return (await snapshot(max_age_s=60)).age_s > 1


async def test_a_redis_that_hangs_holds_a_page_up_once_not_twice(viewer, settings, own_redis, prefix):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    with redis.Redis(port=own_redis.port) as client:
        plant_failed(client, prefix, "chat", 7)
    await page(viewer, QUEUE)
    own_redis.process.send_signal(signal.SIGSTOP)
    try:
        # Figures are shared for a second; only then is Redis asked again.
        await eventually(is_old)
        watch = Stopwatch()
        html = await page(viewer, QUEUE + "?status=failed")
        assert watch.calm_s < 2
    finally:
        own_redis.process.send_signal(signal.SIGCONT)
    assert "Redis has not answered for" in html
    reset_options()


async def test_a_list_that_may_not_be_read_is_a_sentence(viewer, settings, own_redis, prefix):
    with redis.Redis(port=own_redis.port) as client:
        plant_failed(client, prefix, "chat", 7)
        client.acl_setuser("ana", enabled=True, passwords=["+s3cret"], keys=["*"], commands=["+@all", "-zrevrange"])
    url = own_redis.url.replace("redis://", "redis://ana:s3cret@")
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": url, "PREFIX": prefix}}}
    reset_options()
    html = text_of(await page(viewer, QUEUE + "?status=failed"))
    assert "These jobs cannot be listed now" in html
    assert "permission" in html.lower()
    reset_options()


# --- who sees which button


BUTTONS = ("Pause", "Retry all", "Clean…", "Empty…", "Remove…")


async def test_buttons_are_those_that_are_granted(viewer, operator, admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    for browser, granted in ((viewer, set()), (operator, {"Pause", "Retry all"}), (admin, set(BUTTONS))):
        whole = await page(browser, QUEUE + "?status=failed")
        html = text_of(whole.split('<section id="queue"')[1].split("</main>")[0])
        assert {button for button in BUTTONS if button in html} == granted


async def test_strangers_get_no_page(anonymous, stranger, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    for browser, status in ((anonymous, 302), (stranger, 403)):
        answer = await browser.get(QUEUE)
        assert answer.status_code == status
        assert b"TimeoutError" not in answer.content


async def test_another_connection_stays_in_every_link_and_form(admin, settings, redis_server, prefix, client_of_redis):
    place = {"URL": redis_server.url, "PREFIX": prefix}
    settings.TORIL = {"CONNECTIONS": {"default": place, "other": {**place, "PREFIX": prefix + "o"}}}
    reset_options()
    plant_failed(client_of_redis, prefix + "o", "chat", 60)
    html = await page(admin, QUEUE + "?connection=other&status=failed")
    inside = html.split('<section id="queue"')[1].split("</section>")[0]
    addresses = re.findall(r'(?:href|action|hx-get|hx-post)="([^"]*)"', inside)
    assert len(addresses) > 60
    assert all("connection=other" in address for address in addresses if address)
    reset_options()


async def test_more_attempts_than_allowed_are_told_as_what_they_are(viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1, opts='{"attempts":3}', atm=4)
    assert "4 (3 allowed)" in text_of(await page(viewer, QUEUE + "?status=failed"))
    assert "4 attempts, 3 allowed" in text_of(await page(viewer, QUEUE + "/1"))
