"""What somebody with time and the source tries: ways around rights and masks that are no button."""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.abilities import ABILITIES
from queues.masking import mask_json, mask_text
from queues.models import AuditEntry, Job, Outcome
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import plant_job

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/admin/queues"
JOB = f"{BASE}/queue/mails/1"
PIN = "7351"
DATA = f'{{"user": "ana", "pin": "{PIN}"}}'


@pytest.fixture
def job(connection, client_of_redis, prefix) -> Callable[[str], bytes | None]:
    """A failed job with a secret of four digits; gives its fields as they are stored."""
    plant_job(client_of_redis, prefix, "mails", "1", data=DATA)

    def stored(field: str) -> Any:
        return client_of_redis.hget(f"{prefix}:mails:1", field)

    return stored


async def on_mails(*abilities: str) -> Browser:
    """These abilities on the queue `mails`, nothing elsewhere."""
    browser = await signed_in("mailer")
    user = await User.objects.aget(username="mailer")
    await QueueGrant.objects.acreate(user=user, queue="mails", abilities=list(abilities or ABILITIES))
    return browser


async def page(browser: Browser, path: str, **kwargs: Any) -> str:
    answer = await browser.get(path, **kwargs)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


# --- behind the mask


async def test_no_page_tells_a_sum_by_which_a_short_secret_could_be_guessed(operator, job):
    sums = {f"{zlib.crc32(DATA.encode())}", f"{zlib.crc32(DATA.encode()):x}"}
    sums |= {hashlib.new(name, DATA.encode()).hexdigest() for name in ("sha1", "sha256", "md5")}
    for path in (JOB, f"{JOB}?form=edit", f"{JOB}?form=duplicate", f"{JOB}?fragment=payload&show=data"):
        html = await page(operator, path)
        assert not [each for each in sums if each in html], path


@pytest.mark.parametrize(
    "held", ['{oops password="s3cr"}', '{password: "s3cr"}', """{'password' : "s3cr"}""", '[a-pwd=>"s3cr']
)
def test_a_bare_name_hides_the_string_behind_it(held):
    assert "s3cr" not in mask_json(held)
    assert "s3cr" not in mask_text(held)
    assert "s3cr" in mask_json(held.replace("pass", "gl").replace("pwd", "key_to"))


NESTED = '{"credentials": {"note": "nested-secret"}, "\\u0070assword": "spelled-secret"}'


@pytest.mark.parametrize("spoilt", ["", ",}", '"half'])
async def test_a_search_and_a_broken_payload_hide_what_lies_below_a_secrets_name(
    spoilt, operator, client_of_redis, prefix, job
):
    held = NESTED if not spoilt else NESTED[:-1] + ', "more": 1' + spoilt
    client_of_redis.hset(f"{prefix}:mails:1", mapping={"data": held, "failedReason": held})
    client_of_redis.rpush(f"{prefix}:mails:1:logs", held)
    for text in ("nested-secret", "spelled-secret"):
        listed = await page(operator, f"{BASE}/queue/mails?status=failed&text={text}")
        assert "0 of the only failed job" in listed
        for query in ("", "?fragment=payload&show=data", "?fragment=payload&show=data&view=raw", "?fragment=log"):
            assert text not in await page(operator, f"{JOB}{query}"), query
        assert text not in await page(operator, f"{JOB}?fragment=log&find={text[:6]}")
        for field in ("data", "failedReason", "logs"):
            answer = await operator.get(f"{JOB}?field={field}")
            assert text.encode() not in b"".join([piece async for piece in answer.streaming_content]), field


async def test_the_editor_does_not_say_whether_a_guess_is_right(operator, job):
    def form(guess: str) -> dict[str, str]:
        return {"data": DATA.replace(PIN, guess), "sealed": ""}

    for step in ("check", "show"):
        answers = set()
        for guess in (PIN, "0000"):
            answer = await operator.post(f"{JOB}?action=edit&step={step}", form(guess), htmx=True)
            html = re.sub(r'value="[^"]*"|data-now="\d+"', "", answer.content.decode())
            answers.add(html.replace(guess, "GUESS"))
        assert len(answers) == 1, step


@pytest.mark.parametrize(
    "query",
    [
        "job/?data__contains=7351",
        "job/?data__regex=735.",
        "job/?failed_reason__startswith=x",
        "job/?opts__contains=x",
        "job/?return_value__contains=x",
        "job/?stacktrace__contains=x",
        "job/?deferred_failure__contains=x",
        "job/?progress__contains=x",
        "auditentry/?parameters__contains=7351",
        "auditentry/?message__contains=7351",
    ],
)
async def test_the_admins_addresses_do_not_look_behind_masks(query, admin, connection):
    await Job.objects.acreate(queue="mails", job_id="1", data=DATA)
    await AuditEntry.objects.acreate(actor="x", action="job.edit", outcome=Outcome.DONE, parameters=DATA)
    answer = await admin.get(f"/admin/toril/{query}")
    assert answer.status_code in (302, 400), query


async def test_showing_secrets_in_a_form_takes_a_post(admin, job):
    for form in ("edit", "duplicate"):
        for htmx in (False, True):
            assert PIN not in await page(admin, f"{JOB}?form={form}&reveal=1", htmx=htmx)
    assert await AuditEntry.objects.acount() == 0
    for number, form in enumerate(("edit", "duplicate"), 1):
        for htmx in (False, True):
            answer = await admin.post(f"{JOB}?action=reveal-form", {"form": form}, htmx=htmx)
            assert answer.status_code == 200
            assert PIN in answer.content.decode()
        assert await AuditEntry.objects.filter(action="job.reveal").acount() == 2 * number


async def test_nobody_gets_around_the_record_of_a_reveal(admin, job):
    for action in ("edit", "duplicate"):
        for revealed in ("1", "0" * 64):
            form = {"revealed": revealed, "data": "{}", "name": "x", "step": "check"}
            for path in (f"{JOB}?action={action}", f"{JOB}?action={action}&step=format"):
                assert PIN not in (await admin.post(path, form, htmx=True)).content.decode()
    assert await AuditEntry.objects.acount() == 0
    opened = (await admin.post(f"{JOB}?action=reveal-form", {"form": "edit"}, htmx=True)).content.decode()
    proof = opened.split('name="revealed" value="')[1].split('"')[0]
    form = {"revealed": proof, "data": DATA.replace("ana", "bob"), "step": "check"}
    assert PIN in (await admin.post(f"{JOB}?action=edit", form, htmx=True)).content.decode()
    another = await signed_in("another", is_superuser=True)
    assert PIN not in (await another.post(f"{JOB}?action=edit", form | {"data": "{}"}, htmx=True)).content.decode()


async def test_a_deferred_failure_is_told_to_those_who_may_read_alone(connection, client_of_redis, prefix, job):
    base = f"{prefix}:mails:"
    client_of_redis.zrem(f"{base}failed", "1")
    client_of_redis.lpush(f"{base}wait", "1")
    client_of_redis.hset(f"{base}1", "defa", "told-by-the-producer")
    bare = await signed_in("bare", "view")
    for path in (JOB, f"{JOB}?fragment=why", f"{JOB}?fragment=job"):
        assert "told-by-the-producer" not in await page(bare, path), path
    assert "told-by-the-producer" in await page(await signed_in("reader", "view", "view_payload"), JOB)


# --- what is hidden


async def test_a_hidden_node_of_a_flow_says_nothing_by_which_its_name_could_be_guessed(
    connection, client_of_redis, prefix, job
):
    client_of_redis.hset(f"{prefix}:mails:1:processed", f"{prefix}:hidden-chat:9", "1")
    plant_job(client_of_redis, prefix, "hidden-chat", "9", "completed")
    browser = await on_mails()
    sums = f"{zlib.crc32(f'{prefix}:hidden-chat:9'.encode()):08x}"
    for query in ("", "&fragment=children"):
        html = await page(browser, f"{BASE}/flows?queue=mails&id=1{query}")
        assert "hidden-chat" not in html
        assert "may not see" in html
        assert sums not in html


async def test_a_flow_does_not_count_what_failed_in_a_hidden_queue(connection, client_of_redis, prefix, job):
    plant_job(client_of_redis, prefix, "hidden-chat", "9")
    client_of_redis.hset(f"{prefix}:mails:1:failed", f"{prefix}:hidden-chat:9", "x")
    path = f"{BASE}/flows?queue=mails&id=1&do=retry-leaves"
    assert "more failed where" not in await page(await on_mails(), path)


async def test_the_slow_log_names_no_worker_of_a_hidden_queue(connection, client_of_redis, prefix, job):
    client_of_redis.config_set("slowlog-log-slower-than", "0")
    client_of_redis.client_setname("bull:hidden-chat-worker")
    client_of_redis.get("x")
    client_of_redis.config_set("slowlog-log-slower-than", "10000")
    try:
        assert "hidden-chat" not in await page(await on_mails(), f"{BASE}/redis")
        assert "hidden-chat" in await page(await signed_in("root", is_superuser=True), f"{BASE}/redis?again")
    finally:
        client_of_redis.client_setname("")
        client_of_redis.slowlog_reset()


async def test_what_was_asked_of_workers_is_told_to_those_who_see_every_queue(connection, job):
    await AuditEntry.objects.acreate(
        actor="ana", action="workers.stop", connection="default", outcome=Outcome.DONE, message="hidden-host was asked",
        closed_at=timezone.now(),
    )  # fmt: skip
    assert "hidden-host" not in await page(await on_mails(), f"{BASE}/workers")


# --- odd requests


@pytest.mark.parametrize("back", ["connection=x", "queue=y&connection=z", "name=a", "status=%00", "a=1;b", "=", "&&"])
async def test_an_undo_with_an_odd_way_back_is_answered(back, admin, job):
    for path in (f"{JOB}?action=undo", f"{BASE}/queue/mails?action=undo"):
        answer = await admin.post(path, {"token": "none", "back": back})
        assert answer.status_code in (303, 302), answer.status_code
        assert answer["Location"].startswith(f"{BASE}/queue/mails")


@pytest.mark.parametrize(
    "record", [b"", b"\xc1", b"\x01", b"\x80", b"not msgpack", b"\x85\xa6action\x01\xa5queue\xa5mails"]
)
async def test_a_forged_undo_is_none(record, admin, job, client_of_redis, prefix):
    from queues.protocol.keys import FleetKeys

    client_of_redis.set(FleetKeys(prefix).undo("forged"), record)
    answer = await admin.post(f"{JOB}?action=undo", {"token": "forged"}, htmx=True)
    assert answer.status_code < 500


async def test_an_undo_of_forged_needs_is_refused(admin, job, client_of_redis, prefix):
    import msgpack

    from queues.actions.undo import _WAYS
    from queues.protocol.keys import FleetKeys

    client_of_redis.sadd(FleetKeys(prefix).undo("wrong-type"), "x")
    assert (await admin.post(f"{JOB}?action=undo", {"token": "wrong-type"}, htmx=True)).status_code != 500
    odd: list[Any] = [{}, None, [], {"known": [1], "to": "x"}, {"tokens": ["forged"]}, {"copies": [{}]}, {"jobs": [[]]}]
    for kind in [*_WAYS, "no-kind", 7]:
        for needed in odd:
            record = {"action": "job.retry", "queue": "mails", "job_id": "1", "kind": kind, "needed": needed}
            client_of_redis.set(FleetKeys(prefix).undo("forged"), msgpack.packb(record))
            answer = await admin.post(f"{JOB}?action=undo", {"token": "forged"}, htmx=True)
            assert answer.status_code < 500, (kind, needed)


async def test_odd_moments_and_patterns_are_sentences(admin, job):
    moments = ("0001-01-01T00:00", "0001-01-01T00:00+14:00", "9999-12-31T23:59", "9999-12-31T23:59-14:00", "2026-W01")
    for told in moments:
        answer = await admin.post(f"{JOB}?action=reschedule", {"at": told}, htmx=True)
        assert answer.status_code < 500, told
        for kind in ("kind=pattern&pattern=*+*+*+*+*", "kind=every&every=1&unit=d"):
            query = f"fragment=preview&{kind}&start={told.replace('+', '%2B')}&end={told.replace('+', '%2B')}"
            await page(admin, f"{BASE}/job-schedulers?{query}")
    patterns = ("* * 31 2 *", "0 0 29 2 1", "H H * * *", "1-59/1," * 2000 + "1 * * * *", "*/0 * * * *", "9" * 5000)
    for pattern in patterns:
        began = asyncio.get_running_loop().time()
        for tz in ("", "Europe/Berlin", "../../etc/passwd", "Europe", "\x00", "a" * 5000):
            query = {"fragment": "preview", "kind": "pattern", "pattern": pattern, "tz": tz}
            await page(admin, f"{BASE}/job-schedulers", data=query)
        assert asyncio.get_running_loop().time() - began < 3, pattern


@pytest.mark.parametrize("job_id", ["a\nSet-Cookie: x=1", 'q"; filename="evil', "ü\r\n\r\n<b>", "../..", "%2F", "-1"])
async def test_a_download_of_an_odd_name_is_a_file_and_nothing_else(job_id, admin, client_of_redis, prefix, job):
    from urllib.parse import quote

    plant_job(client_of_redis, prefix, "mails", job_id, data=DATA)
    at = f"{BASE}/queue/mails/{quote(job_id, safe='')}"
    for answer in (
        await admin.get(f"{at}?field=data"),
        await admin.post(f"{at}?action=reveal", {"field": "data", "as": "file"}),
    ):
        assert answer.status_code == 200
        assert not re.search(r"[\r\n]", answer["Content-Disposition"])
        assert answer["Content-Disposition"].startswith("attachment")
        assert "Set-Cookie" not in answer


@pytest.mark.parametrize("secret", ["caf\\u00e9-x", "it's-x", "a\\\\b-x", "tab\\tx", "'quoted: x'"])
async def test_what_does_not_fit_a_schema_is_told_without_the_secret(
    secret, operator, connection, client_of_redis, prefix, settings
):
    schema = {"properties": {"password": {"type": "integer"}, "user": {"type": "integer"}}}
    settings.TORIL = {**settings.TORIL, "DASHBOARD": {"queues": {"mails": {"job_data_schema": schema}}}}
    plant_job(client_of_redis, prefix, "mails", "1", data=f'{{"user": "ana", "password": "{secret}"}}')
    form = {"data": '{"user": "ana", "password": "•••"}', "step": "check"}
    told = (await operator.post(f"{JOB}?action=edit", form, htmx=True)).content.decode()
    assert "password: does not fit" in told
    assert "user: &#x27;ana&#x27; is not of type" in told
    for part in ("caf", "it&#x27;s", "-x", "tab", "quoted"):
        assert part not in told


@pytest.mark.parametrize("since", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "0001-01-01", "2026-13-40"])
async def test_odd_moments_in_the_audits_address_are_answered(since, admin, connection):
    for name in ("since", "until"):
        for more in ({}, {"format": "csv"}):
            assert (await admin.get(f"{BASE}/audit", {name: since} | more)).status_code == 200


@pytest.mark.parametrize("jobs", ["1e999", "NaN", "-1", '"x"', "[]"])
async def test_a_forged_plan_for_many_queues_is_refused(jobs, admin, job, client_of_redis, prefix):
    plan = f'{{"queues": [["mails", {jobs}]], "before": {jobs}}}'
    answer = await admin.post(f"{BASE}/?action=pause", {"plan": plan, "group": ""}, htmx=True)
    assert answer.status_code == 400
    assert not client_of_redis.hexists(f"{prefix}:mails:meta", "paused")


@pytest.mark.parametrize(
    "place",
    ["//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil.example", "http:evil.example",
     "https:///evil.example", "/x\r\nSet-Cookie: a=b", "https://testserver@evil.example/", "//testserver.evil.example"],
)  # fmt: skip
async def test_no_address_leads_off_the_site(place, admin, job):
    for answer in (
        await admin.get("/sign-in", {"next": place}),
        await admin.post(f"{BASE}/settings", {"theme": "dark", "back": place}),
        await admin.post(f"{BASE}/settings", {"theme": "dark"}, headers={"Referer": place}),
        await admin.post(f"{JOB}?action=undo", {"token": "x", "back": place}),
        await Browser().get(BASE, headers={"HX-Request": "true", "HX-Current-URL": place}),
    ):
        to = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or "/"
        assert to.startswith("/")
        assert not to.startswith(("//", "/\\"))
        assert "\n" not in to
