"""One job, at one address whatever its state: what happened, what it holds, digit by digit, and what may be done."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import quote

import pytest
from django.utils import timezone

from queues.models import AuditEntry, Job
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.planted import EVIL, count, is_inert, plant_evil, plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"
NODE = "TypeError: x is undefined\n    at run (/app/chat.js:4:2)\n    at process (node:internal)"
PYTHON = """Traceback (most recent call last):
  File "/app/jobs.py", line 41, in run
    raise KeyError("choices")
KeyError: 'choices'
"""


async def page(browser, path: str, **kwargs) -> str:
    answer = await browser.get(path, **kwargs)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


async def body(answer) -> bytes:
    """What a download brings, piece by piece."""
    return b"".join([piece async for piece in answer.streaming_content])


async def test_attempts_show_their_errors_each_by_itself_newest_first(viewer, connection, client_of_redis, prefix):
    stacks = json.dumps([PYTHON, NODE])
    reason = "TypeError: x is undefined"
    plant_job(
        client_of_redis,
        prefix,
        "chat",
        "7",
        failedReason=reason,
        stacktrace=stacks,
        opts='{"attempts":2}',
        atm=2,
        ats=2,
    )
    html = await page(viewer, QUEUE + "/7")
    errors = [
        text_of(found) for found in re.findall(r'<summary><span class="headline">(.*?)</summary>', html, re.DOTALL)
    ]
    assert errors == ["TypeError x is undefined attempt 2", "KeyError 'choices' attempt 1"]
    assert "at run (/app/chat.js:4:2)" in html
    assert re.findall(r'class="frame own"><b title="([^"]*)">([^<]*)</b>', html) == [
        ("/app/chat.js", "chat.js:4"),
        ("/app/jobs.py", "jobs.py:41"),
    ]
    assert "1 frame in Node" in text_of(html)
    assert "2 of 2 attempts" in text_of(html)


async def test_the_timeline_tells_what_redis_remembers(viewer, connection, client_of_redis, prefix):
    now = int(time.time() * 1000)
    plant_job(
        client_of_redis,
        prefix,
        "chat",
        "7",
        timestamp=now - 100_000,
        processedOn=now - 62_000,
        finishedOn=now - 50_000,
        pb="web-3",
        failedReason="no",
        stacktrace="[]",
    )
    told = text_of(re.search(r'<ol class="timeline".*?</ol>', await page(viewer, QUEUE + "/7"), re.DOTALL)[0])
    assert re.search(
        r"Added .* waited 38\.0 s Attempt 1 started on web-3 .* ran 12\.0 s Failed for good 20\d\d-", told
    ), told


@pytest.mark.parametrize("state", ["delayed", "prioritized", "completed", "waiting-children"])
async def test_the_address_is_the_same_in_every_state(viewer, connection, client_of_redis, prefix, state):
    plant_job(client_of_redis, prefix, "chat", "7", state)
    label = state.replace("-children", " for children")
    assert f"work {label}" in text_of(await page(viewer, QUEUE + "/7"))


async def test_payloads_are_shown_digit_by_digit(viewer, connection, client_of_redis, prefix):
    data = '{"id":12345678901234567890,"price":1.10,"big":1e400,"neg":-0.0,"list":[1,2],"text":"a b"}'
    plant_job(client_of_redis, prefix, "chat", "7", "completed", data=data, returnvalue='"fine"', progress="45")
    html = await page(viewer, QUEUE + "/7")
    for exact in ("12345678901234567890", "1.10", "1e400", "-0.0"):
        assert f'<span class="no">{exact}</span>' in html
    assert "&quot;list&quot;</span>: [" in html
    assert "&quot;fine&quot;" in html


async def test_markup_in_every_field_stays_text(admin, connection, client_of_redis, prefix):
    evil = quote(plant_evil(client_of_redis, prefix), safe="")
    for address in (f"{evil}/{evil}", f"{evil}/{evil}?fragment=job", f"{evil}/{evil}?show={evil}"):
        html = await page(admin, f"/admin/queues/queue/{address}")
        assert is_inert(html)
        assert text_of(html).count("alert(2)") >= 10
    assert all(re.fullmatch(r"[A-Za-z][\w-]*", found) for found in re.findall(r'\sid="([^"]*)"', html))


async def test_markup_in_an_answer_to_a_button_stays_text(admin, connection, client_of_redis, prefix):
    evil = quote(plant_evil(client_of_redis, prefix), safe="")
    for form in ({}, {"back": "status=failed"}, {"back": EVIL}):
        answer = await admin.post(f"/admin/queues/queue/{evil}/{evil}?action=promote", form, htmx=True)
        assert answer.status_code == 409
        assert is_inert(answer.content.decode())
    answer = await admin.post(f"/admin/queues/queue/{evil}/{evil}?action={evil}", htmx=True)
    assert is_inert(answer.content.decode())


async def test_corrupt_json_is_shown_as_it_is_stored(viewer, connection, client_of_redis, prefix):
    plant_job(
        client_of_redis, prefix, "chat", "7", data='{oops  "two  spaces', opts="nope", timestamp="x", stacktrace="{"
    )
    html = await page(viewer, QUEUE + "/7")
    assert "{oops  &quot;two  spaces" in html
    assert "data is not JSON" in html
    assert "timestamp is not a number" in html


async def test_a_job_whose_hash_is_gone_says_so(viewer, connection, client_of_redis, prefix):
    client_of_redis.zadd(f"{prefix}:chat:failed", {"7": 1})
    html = text_of(await page(viewer, QUEUE + "/7"))
    assert "its hash is gone" in html


async def test_a_job_that_is_nowhere_is_not_found_in_a_helpful_sentence(viewer, connection):
    answer = await viewer.get(QUEUE + "/%3Cb%3E")
    assert answer.status_code == 404
    assert "Queue “chat” has no job “&lt;b&gt;”" in answer.content.decode()


async def test_a_name_of_megabytes_is_cut(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", "7", name="n" * 3_000_000)
    html = await page(viewer, QUEUE + "/7")
    assert "n" * 999 + "…" in html
    assert len(html) < 100_000


async def test_five_megabytes_are_cut_loaded_on_demand_and_downloaded_whole(
    viewer, connection, client_of_redis, prefix
):
    data = json.dumps({"rows": ["x" * 100] * 50_000})
    plant_job(client_of_redis, prefix, "chat", "7", data=data)
    html = await page(viewer, QUEUE + "/7")
    assert len(html) < 400_000
    assert "KB of 5.0 MB are shown." in text_of(html) or "KB of 4.9 MB are shown." in text_of(html)
    shown = html.count("x" * 100)
    more = re.search(r'hx-get="([^"]*at=[^"]*)" hx-target="#json-data" hx-swap="beforeend"', html)[1]
    part = await page(viewer, more.replace("&amp;", "&"), htmx=True)
    assert "<html" not in part
    assert part.startswith(f'<span role="treeitem" aria-level="3" tabindex="-1" data-i="{shown}">')
    assert len(part) < 400_000
    assert '<hx-partial hx-target="#rest-data"' in part
    assert "<html" in await page(viewer, more.replace("&amp;", "&"))
    answer = await viewer.get(QUEUE + "/7?field=data")
    assert await body(answer) == data.encode()
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"


async def test_a_download_of_what_is_no_payload_is_refused(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", "7")
    for field in ("name", "meta", "../../x", "%0D%0ASet-Cookie: a=b"):
        answer = await viewer.get(f"{QUEUE}/7?field={field}")
        assert answer.status_code == 404
        assert "may have been removed" not in answer.content.decode()


async def test_a_hostile_id_stays_inside_the_file_name(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", 'a"\r\nX: y;é', data='{"a":1}')
    answer = await viewer.get(f"{QUEUE}/{quote(chr(97) + chr(34))}%0D%0AX:%20y;%C3%A9?field=data")
    assert answer.status_code == 200
    assert "X" not in answer.headers
    assert "\r" not in answer["Content-Disposition"]


async def test_the_logs_end_is_shown_with_the_total(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", "7")
    client_of_redis.rpush(f"{prefix}:chat:7:logs", *[f"line {n}" for n in range(1, 1001)])
    html = text_of(await page(viewer, QUEUE + "/7"))
    assert "1,000 lines" in html
    assert "Earlier lines" in html
    assert "line 1000" in html
    assert "line 1 " not in html


async def test_a_long_log_is_downloaded_whole(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", "7")
    lines = [f"line {n} é" for n in range(1, 1001)]
    client_of_redis.rpush(f"{prefix}:chat:7:logs", *lines, b"\xff")
    assert "field=logs" in await page(viewer, QUEUE + "/7")
    answer = await viewer.get(QUEUE + "/7?field=logs")
    assert await body(answer) == "\n".join(lines).encode() + b"\n\xff\n"


@pytest.mark.parametrize(
    ("queue", "job_id"),
    [
        ("a/b", "1"),
        ("a", "b/1"),
        ("chat", "x/retry"),
        ("chat", "retry"),
        ("chat", "%2F"),
        ("chat", "🐂"),
        ("chat", "'\"<b>"),
        ("chat", ".."),
        (".", "."),
        ("chat", "a b+c?d=e#f"),
        ("chat", "repeat:s:1795"),
    ],
)
async def test_every_id_has_its_page_its_buttons_and_its_way_back(
    admin, connection, client_of_redis, prefix, queue, job_id
):
    from dashboard.links import job_url, queue_url

    plant_job(client_of_redis, prefix, queue, job_id, name=f"named {job_id}")
    html = await page(admin, job_url(connection, queue, job_id))
    assert f"named {job_id} failed" in text_of(html)
    (action,) = {a.replace("&amp;", "&") for a in re.findall(r'action="([^"]*action=retry)"', html)}
    answer = await admin.post(action, htmx=True)
    assert answer.status_code == 200, answer.content
    assert client_of_redis.lrange(f"{prefix}:{queue}:wait", 0, -1) == [job_id.encode()]
    assert queue_url(connection, queue).replace("&", "&amp;") in html
    entry = await AuditEntry.objects.aget()
    assert (entry.queue, entry.job_id) == (queue, job_id)


async def test_two_addresses_with_the_same_letters_are_two_jobs(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "a/b", "1", name="of-a-slash-b")
    plant_job(client_of_redis, prefix, "a", "b/1", name="of-a")
    assert "of-a-slash-b" in text_of(await page(viewer, "/admin/queues/queue/a%2Fb/1"))
    assert "of-a-slash-b" not in await page(viewer, "/admin/queues/queue/a/b%2F1")


# --- acting


async def test_retrying_answers_with_the_job_as_it_is_now(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    answer = await operator.post(QUEUE + "/2?action=retry", htmx=True)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert html.lstrip().startswith('<section id="job"')
    assert "work waiting" in text_of(html)
    assert "was put back to run again" in text_of(html)
    assert client_of_redis.lrange(f"{prefix}:chat:wait", 0, -1) == [b"2"]
    entry = await AuditEntry.objects.aget()
    assert (entry.action, entry.actor, entry.outcome, entry.job_id) == ("job.retry", "operator", "done", "2")


async def test_from_a_list_the_line_keeps_its_place_and_the_counts_follow(
    operator, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 3)
    answer = await operator.post(QUEUE + "/2?action=retry", {"back": "status=failed"}, htmx=True)
    html = answer.content.decode()
    assert html.lstrip().startswith('<tr id="job-row__chat__2"')
    assert (count(html, "failed"), count(html, "waiting")) == (2, 1)


async def test_without_script_one_is_led_back_to_the_list(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 30)
    answer = await operator.post(QUEUE + "/2?action=retry", {"back": "status=failed&page=2&x=//evil.example"})
    assert (answer.status_code, answer["Location"]) == (303, QUEUE + "?status=failed&page=2")
    assert "was put back to run again" in text_of(await page(operator, answer["Location"]))


async def test_without_script_one_is_led_back_to_the_job(operator, connection):
    (job_id,) = await plant_delayed(connection, "chat")
    answer = await operator.post(f"{QUEUE}/{job_id}?action=promote")
    assert (answer.status_code, answer["Location"]) == (303, f"{QUEUE}/{job_id}")
    assert "was promoted" in text_of(await page(operator, answer["Location"]))


async def test_removing_leads_to_the_queue(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    answer = await admin.post(QUEUE + "/2?action=remove", htmx=True)
    assert answer["HX-Redirect"] == QUEUE
    assert (await admin.post(QUEUE + "/3?action=remove"))["Location"] == QUEUE
    assert not client_of_redis.exists(f"{prefix}:chat:2", f"{prefix}:chat:3")
    assert "Job “3” was removed." in text_of(await page(admin, QUEUE))


async def test_a_job_that_moved_on_meanwhile_is_an_answer_not_an_error(operator, connection):
    (job_id,) = await plant_waiting(connection, "chat")
    answer = await operator.post(f"{QUEUE}/{job_id}?action=retry", htmx=True)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert html.lstrip().startswith('<section id="job"')
    assert "was not retried: it is waiting now" in text_of(html)
    answer = await operator.post(f"{QUEUE}/{job_id}?action=retry")
    assert answer.status_code == 303
    assert "was not retried: it is waiting now" in text_of(await page(operator, answer["Location"]))
    assert {entry.outcome async for entry in AuditEntry.objects.all()} == {"refused"}


async def test_a_line_whose_job_is_gone_says_so(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    answer = await operator.post(QUEUE + "/gone?action=retry", {"back": "status=failed"}, htmx=True)
    assert answer.status_code == 404
    assert "has no job “gone”" in text_of(answer.content.decode())
    assert answer.content.decode().lstrip().startswith("<tr id=")


async def test_buttons_are_those_that_are_legal_and_granted(
    viewer, operator, admin, connection, client_of_redis, prefix
):
    plant_job(client_of_redis, prefix, "chat", "f", "failed")
    plant_job(client_of_redis, prefix, "chat", "d", "delayed")
    client_of_redis.lpush(f"{prefix}:chat:active", "a")
    client_of_redis.hset(f"{prefix}:chat:a", mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": 1})

    async def buttons(browser, job_id: str) -> set[str]:
        return set(re.findall(r'action="[^"]*action=([a-z]+)"', await page(browser, f"{QUEUE}/{job_id}")))

    assert [await buttons(viewer, job) for job in "fda"] == [set(), set(), set()]
    assert [await buttons(operator, job) for job in "fda"] == [{"retry"}, {"promote", "reprioritize"}, {"recover"}]
    assert [await buttons(admin, job) for job in "fda"] == [
        {"retry", "remove"},
        {"promote", "reprioritize", "remove", "fail"},
        {"recover"},
    ]


@pytest.mark.parametrize("action", ["retry", "promote", "remove"])
async def test_nobody_acts_without_the_permission(
    anonymous, stranger, viewer, operator, connection, client_of_redis, prefix, action
):
    plant_failed(client_of_redis, prefix, "chat", 1)
    for browser, status in ((anonymous, 302), (stranger, 403), (viewer, 403)):
        for form in ({}, {"back": "status=failed"}):
            assert (await browser.post(f"{QUEUE}/1?action={action}", form)).status_code == status
    assert (await operator.post(f"{QUEUE}/1?action=remove")).status_code == 403
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 1
    assert await AuditEntry.objects.acount() == 0


async def test_looking_with_an_action_in_the_address_does_nothing(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    await page(admin, QUEUE + "/1?action=remove")
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 1


# --- what the mirror kept


async def test_a_job_that_redis_forgot_is_shown_as_it_was_kept(operator, connection):
    await Job.objects.acreate(
        connection="default",
        queue="chat",
        job_id="9",
        timestamp_ms=1_700_000_000_000,
        state="failed",
        name="kept",
        data='{"a": 12345678901234567890}',
        failed_reason="Boom",
        attempts_made=1,
        removed_at=timezone.now(),
    )
    html = await page(operator, QUEUE + "/9")
    assert "kept no longer in Redis" in text_of(html)
    assert "Redis no longer has this job." in text_of(html)
    assert "12345678901234567890" in html
    assert not re.search(r'action="[^"]*action=', html)
    assert "No longer in Redis" in text_of(html)


async def test_the_page_joins_the_live_view_of_its_job(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "a/b", "1/2", processedOn=5, finishedOn=6)
    html = await page(viewer, "/admin/queues/queue/a%2Fb/1%2F2")
    address = re.search(r'hx-ws:connect="([^"]*)"', html)[1].replace("&amp;", "&")
    assert address.startswith("/admin/queues/live?queue=a%2Fb&job=1%2F2&since=")
    assert address.endswith("&seen=1.1.5.6")
    assert '<div id="job-moved"' in html
    assert 'hx-get="/admin/queues/queue/a%2Fb/1%2F2?fragment=job"' in html
    assert (
        (await page(viewer, "/admin/queues/queue/a%2Fb/1%2F2?fragment=job", htmx=True))
        .lstrip()
        .startswith('<section id="job"')
    )
