"""What a job's page shows to whom: secrets masked in every field and slice, payloads to those alone who may read."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from tests.web.conftest import signed_in
from tests.web.planted import plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"
SECRETS = [f"hunter2-{field}" for field in ("data", "opts", "result", "progress", "log", "stack", "defa")]


@pytest.fixture
def secretive(client_of_redis, prefix) -> None:
    def holding(secret: str) -> str:
        return json.dumps({"user": {"password": secret, "id": 12345678901234567890}})

    plant_job(
        client_of_redis,
        prefix,
        "chat",
        "7",
        data=holding(SECRETS[0]),
        opts=json.dumps({"attempts": 3, "token": SECRETS[1]}),
        returnvalue=holding(SECRETS[2]),
        progress=holding(SECRETS[3]),
        failedReason=f"password={SECRETS[5]}",
        atm=2,
        ats=2,
        stacktrace=json.dumps(["Error: who-am-i", f"Error: password={SECRETS[5]}\n    at run (/app/a.js:1:1)"]),
        defa=f"password={SECRETS[6]}",
    )
    client_of_redis.rpush(
        f"{prefix}:chat:7:logs", f"INFO password={SECRETS[4]}", "\x1b[31mpass\x1b[0mword=" + SECRETS[4]
    )


async def everything(browser) -> str:
    """Every answer that this address gives to somebody who only looks."""
    asked = ["", "?fragment=job", "?fragment=log", "?fragment=log&find=password", "?fragment=kin", "?fragment=why"]
    asked += [f"?fragment=payload&show={field}{view}" for field in FIELDS for view in ("", "&view=raw")]
    told = []
    for query in asked:
        answers = [await browser.get(f"{QUEUE}/7{query}", htmx=htmx) for htmx in (False, True)]
        told += [answer.content.decode() for answer in answers]
    for field in (*FIELDS, "logs", "failedReason", "stacktrace"):
        answer = await browser.get(f"{QUEUE}/7?field={field}")
        pieces = [piece async for piece in answer.streaming_content] if answer.streaming else [answer.content]
        told.append(b"".join(pieces).decode())
    return unescape("\n".join(told))


FIELDS = ("data", "opts", "returnvalue", "progress")


async def test_no_answer_holds_a_secret_and_all_the_rest_is_there(admin, connection, secretive):
    told = await everything(admin)
    assert [secret for secret in SECRETS if secret in told] == []
    assert told.count("12345678901234567890") >= 12
    assert "•••" in told


async def test_who_may_not_view_payloads_sees_the_times_and_nothing_that_a_producer_wrote(connection, secretive):
    onlooker = await signed_in("onlooker", "view")
    answer = await onlooker.get(f"{QUEUE}/7")
    html = answer.content.decode()
    told = await everything(onlooker)
    assert "12345678901234567890" not in told
    assert "app/a.js" not in told
    assert "who-am-i" not in told
    assert "Attempt 1 failed when is not recorded Attempt 2 started" in text_of(html)
    assert "need the permission to view payloads" in text_of(html)
    for query in ("field=data", "field=logs", "fragment=payload&show=data", "fragment=log&find=x"):
        assert (await onlooker.get(f"{QUEUE}/7?{query}")).status_code == 403


async def test_a_filter_of_the_log_finds_nothing_by_what_is_masked(admin, connection, secretive):
    found = text_of((await admin.get(f"{QUEUE}/7?fragment=log&find=hunter2", htmx=True)).content.decode())
    assert "0 of the last 2 lines hold it." in found
    found = text_of((await admin.get(f"{QUEUE}/7?fragment=log&find=PASSWORD", htmx=True)).content.decode())
    assert "2 of the last 2 lines hold it." in found


async def test_a_later_slice_is_masked_by_the_keys_that_opened_before_it(admin, connection, client_of_redis, prefix):
    rows = [{"user": f"name-{n}", "n": n} for n in range(5_000)]
    plant_job(client_of_redis, prefix, "chat", "7", data=json.dumps({"credentials": {"rows": rows}}))
    html = (await admin.get(f"{QUEUE}/7")).content.decode()
    for _ in range(3):
        assert "name-" not in html
        more = unescape(re.search(r'hx-get="([^"]*at=[^"]*)"', html)[1])
        html = (await admin.get(more, htmx=True)).content.decode()
        assert html.count("•••") > 100


async def test_a_place_that_was_not_signed_for_this_value_leads_nowhere(admin, connection, client_of_redis, prefix):
    data = json.dumps({"rows": ["x" * 100] * 5_000})
    for job_id in ("7", "8"):
        plant_job(client_of_redis, prefix, "chat", job_id, data=data, returnvalue=data)
    html = (await admin.get(f"{QUEUE}/7")).content.decode()
    more = unescape(re.search(r'hx-get="([^"]*show=data&amp;at=[^"]*)"', html)[1])
    assert (await admin.get(more, htmx=True)).status_code == 200
    for forged in (
        more.replace("/7?", "/8?"),
        more.replace("show=data", "show=returnvalue"),
        more[:-1] + "A" * 2,
        f"{QUEUE}/7?fragment=payload&show=data&at=0",
    ):
        assert (await admin.get(forged, htmx=True)).status_code == 400
    client_of_redis.hset(f"{prefix}:chat:7", "data", data + " ")
    changed = await admin.get(more, htmx=True)
    assert changed.status_code == 400
    assert "another one by now" in changed.content.decode()


async def test_a_download_masks_piece_by_piece_and_leaves_every_other_byte(admin, connection, client_of_redis, prefix):
    rows = [
        {"password": f"secret-{n}", "text": "é" * 50, "long": "y" * (90_000 if n == 7 else 1)} for n in range(2_000)
    ]
    stored = json.dumps({"rows": rows}, ensure_ascii=False, indent=1)
    plant_job(client_of_redis, prefix, "chat", "7", data=stored)
    answer = await admin.get(f"{QUEUE}/7?field=data")
    told = b"".join([piece async for piece in answer.streaming_content]).decode()
    assert "secret-" not in told
    assert told == re.sub(r"secret-\d+", "•••", stored)
