"""What an id, a name, a body or a search could be mistaken for: nothing of Redis' own, and no key of another queue."""

from __future__ import annotations

import json
from itertools import product
from urllib.parse import quote

import pytest

from queues.producer import checks
from queues.protocol.keys import RESERVED_IDS
from tests.web.keyed import forget_callers, plant_key, program
from tests.web.planted import plant_job

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE, NEIGHBOUR = "chat", "chat2"
#: What lies beside a queue's jobs, and beside a job.
SUFFIXES = ["lock", "logs", "dependencies", "processed", "failed", "unsuccessful", "de", "metrics"]
SPECIAL = [
    "0",
    "1",
    "-1",
    "007",
    "repeat:x:1",
    "de:x",
    "metrics:completed",
    "metrics:failed:data",
    "a:b",
    ":",
    "::",
    "a:",
    ":a",
]
ODD = ["\0", "a\0b", "\ud800", "\ufffd", "", "x" * 5_000, "1" * 400]
HOSTILE = sorted({
    *RESERVED_IDS, *SPECIAL, *ODD, *(f"1:{suffix}" for suffix in SUFFIXES),
    *(f"{NEIGHBOUR}:{name}" for name in RESERVED_IDS),
    *(f"{before}{name}" for before, name in product(("bull:", "bull:chat:", "{bull}:chat:", "..:", "\r\n:"), SUFFIXES)),
    *(f"{name}:{number}" for name in ("repeat", "wait", "x", "de", "stalled") for number in range(12)),
})  # fmt: skip
#: Ids that are odd and yet nobody's but a job's.
ALLOWED = [
    "..",
    "a/b",
    "%2e%2e",
    "*",
    "a b",
    "<b>",
    "\U0001f402",
    "?action=remove#y",
    "wait ",
    "Wait",
    "\r\nFLUSHALL\r\n",
    "[a-z]*",
]
BOMBS = {
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep data": b'{"name":"a","data":' + b"[" * 200 + b"]" * 200 + b"}",
    "many digits": b'{"name":"a","data":' + b"9" * 5_000 + b"}",
    "beyond a double": b'{"name":"a","data":1e999}',
    "beyond a double, below": b'{"name":"a","data":-1e999}',
    "NaN": b'{"name":"a","data":NaN}',
    "Infinity": b'{"name":"a","data":-Infinity}',
    "half a character": b'{"name":"\\ud800","data":1}',
    "a NUL": b'{"name":"a\\u0000","data":1}',
    "no UTF-8": b'{"name":"\xff"}',
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "a mark before": b'\xef\xbb\xbf{"name":"a"}',
    "no end": b'{"name":"a',
    "two values": b'{"name":"a"}{}',
    "a comment": b'{"name":"a"/**/}',
    "single quotes": b"{'name':'a'}",
    "nothing": b"",
    "a number": b"1",
    "a list": b'[{"name":"a"}]',
    "null": b"null",
    "a name that is none": b'{"name":{"a":1}}',
    "an unknown option": b'{"name":"a","options":{"evil":1}}',
    "an option of Redis'": b'{"name":"a","options":{"repeatJobKey":"x"}}',
    "a parent's key": b'{"name":"a","options":{"parent":{"queueKey":"bull:other","id":"1"}}}',
    "a prototype": b'{"name":"a","__proto__":{"x":1}}',
    "a delay beyond all": b'{"name":"a","options":{"delay_ms":1e300}}',
    "a delay in words": b'{"name":"a","options":{"delay_ms":"soon"}}',
    "attempts below nothing": b'{"name":"a","options":{"attempts":-1}}',
    "a priority beyond all": b'{"name":"a","options":{"priority":2097153}}',
    "a large name": b'{"name":"' + b"a" * 100_000 + b'"}',
    "more than a request": b'{"name":"a","data":"' + b"a" * 1_100_000 + b'"}',
}


@pytest.fixture(autouse=True)
def _nothing_known():
    yield
    forget_callers()


@pytest.fixture
async def writer(connection, transactional_db):
    return program(await plant_key(abilities=["view", "view_payload", "add", "retry", "remove", "edit", "schedulers"]))


async def add(client, queue: str = QUEUE, **body) -> tuple[int, dict]:
    sent = json.dumps({"name": "work", "data": {}, **body}, ensure_ascii=True)
    answer = await client.post(f"/api/v1/queues/{quote(queue, safe='')}/jobs", sent, content_type="application/json")
    return answer.status_code, answer.json()


async def test_no_id_is_mistaken_for_a_key_of_the_queues_own_or_of_another(writer, client_of_redis, prefix):
    assert len(HOSTILE) >= 150
    plant_job(client_of_redis, prefix, NEIGHBOUR, "1")
    before = {key: client_of_redis.dump(key) for key in client_of_redis.scan_iter(f"{prefix}:*")}
    for job_id in HOSTILE:
        with pytest.raises(checks.InvalidInput):
            checks.job_id("job_id", job_id)
    for job_id in HOSTILE[::15]:
        assert (await add(writer, options={"job_id": job_id}))[0] == 400, job_id
    for job_id in ALLOWED:
        status, told = await add(writer, options={"job_id": job_id})
        assert (status, told.get("id")) == (201, job_id), told
    status, told = await add(writer)
    assert status == 201
    listed = client_of_redis.lrange(f"{prefix}:{QUEUE}:wait", 0, -1)
    assert {each.decode() for each in listed} == {*ALLOWED, told["id"]}
    assert (
        before.items() <= {key: client_of_redis.dump(key) for key in client_of_redis.scan_iter(f"{prefix}:*")}.items()
    )


async def test_no_reserved_name_is_removed_or_retried_as_a_job_would_be(writer, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, QUEUE, "1")
    for name in sorted({*RESERVED_IDS, "1:logs", "1:lock", "de:x"}):
        path = f"/api/v1/queues/{QUEUE}/jobs/{quote(name, safe='')}"
        assert (await writer.delete(path)).status_code in (400, 404, 409), name
        assert (await writer.post(f"{path}/retry", {}, content_type="application/json")).status_code in (
            400,
            404,
            409,
        ), name
    assert client_of_redis.zscore(f"{prefix}:{QUEUE}:failed", "1")
    assert client_of_redis.exists(f"{prefix}:{QUEUE}:meta")


@pytest.mark.parametrize("name", ["a:b", ":", "", "\0", "\ud800", "x" * 5_000])
def test_no_queue_is_named_so_that_its_keys_are_anothers(name):
    with pytest.raises(checks.InvalidInput):
        checks.queue_name(name)


@pytest.mark.parametrize("name", BOMBS)
async def test_a_body_that_is_no_job_is_refused_and_nothing_breaks(name, writer, client_of_redis, prefix):
    path = f"/api/v1/queues/{QUEUE}/jobs"
    answer = await writer.post(path, BOMBS[name], content_type="application/json")
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.content[:200])
    assert not list(client_of_redis.scan_iter(f"{prefix}:*"))


@pytest.mark.parametrize(
    "told", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_what_a_form_of_another_site_can_send_is_no_json(told, writer):
    answer = await writer.post(f"/api/v1/queues/{QUEUE}/jobs", b'{"name":"a"}', content_type=told)
    assert answer.status_code == 415


async def test_looking_asks_redis_for_no_keys_by_pattern_and_runs_no_script_of_its_own(
    admin, client_of_redis, prefix, connection
):
    plant_job(client_of_redis, prefix, QUEUE, "1")
    evil = quote("*?[a-z]" * 20 + "\r\nFLUSHALL", safe="")
    paths = [f"?q={evil}", f"/search?q={evil}", f"/jump?q={evil}", f"/queue/{evil}",
             f"/queue/{QUEUE}?status=failed&text={evil}&prefix={evil}", f"/queue/{QUEUE}/{evil}", "/workers", "/flows",
             "/job-schedulers", "/redis"]  # fmt: skip
    said: list[str] = []
    with client_of_redis.monitor() as watching:
        for path in paths:
            answer = await admin.get(f"/admin/queues{path}")
            assert answer.status_code in (200, 302, 404), path
        client_of_redis.echo(f"{prefix} is done")
        while prefix not in (line := watching.next_command()["command"]) or "ECHO" not in line.upper():
            said.append(line)
    ours = [line for line in said if prefix in line]
    assert ours
    assert not [
        line for line in ours if line.split(" ", 1)[0].upper() in ("KEYS", "EVAL", "SCRIPT", "FLUSHALL", "FLUSHDB")
    ]
    assert not [line for line in ours if line.upper().startswith("SCAN ") and "[a-z]" in line]
