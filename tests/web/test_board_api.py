"""Bull Board's API: its shapes as they were recorded, odd names in its paths, what is masked, bounded, kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from queues import queue
from queues.abilities import ABILITIES
from queues.models import AuditEntry
from queues.options import reset_options
from tests.mirroring import start
from tests.web.boarded import ask, plant_board
from tests.web.browser import Browser
from tests.web.conftest import signed_in, signed_in_on
from tests.web.planted import plant_job

pytestmark = pytest.mark.django_db(transaction=True)
#: What Bull Board 9.10.2 answered, by name.
RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("board_answers.json").read_text())
SECRET = "hunter2-never-seen"


@pytest.fixture
async def seeded(connection, client_of_redis, prefix, settings):
    view = {"external_job_url": "http://127.0.0.1/jobs/{id}", "queues": {"Emails.*": {"description": "Mails"}}}
    settings.TORIL = {**settings.TORIL, "DASHBOARD": view}
    reset_options()
    worker = await plant_board(client_of_redis, prefix)
    yield client_of_redis
    worker.close()


#: Recorded name → the request that it answers, and with which status. In this order: each finds what the others left.
ASKED: dict[str, tuple[int, str, str, Any]] = {
    "queues": (200, "GET", "/queues", None),
    "queues-failed": (200, "GET", "/queues?activeQueue=Emails.Welcome&status=failed&page=1&jobsPerPage=2", None),
    "queues-latest": (200, "GET", "/queues?activeQueue=video&jobsPerPage=1", None),
    "queues-badstatus": (400, "GET", "/queues?status=bogus", None),
    "queues-perpage301": (400, "GET", "/queues?jobsPerPage=301", None),
    "queue-404": (404, "GET", "/queues/nowhere/1", None),
    "redis-stats": (200, "GET", "/redis/stats", None),
    "schedulers": (200, "GET", "/job-schedulers", None),
    "metrics": (200, "GET", "/queues/Emails.Welcome/metrics", None),
    "defaults": (200, "GET", "/queues/Emails.Welcome/default-job-options", None),
    "workers": (200, "GET", "/queues/Emails.Welcome/workers", None),
    "ratelimit": (200, "GET", "/queues/Emails.Welcome/rate-limit", None),
    "schema": (200, "GET", "/queues/Emails.Welcome/job-data-schema", None),
    "job-failed": (200, "GET", "/queues/Emails.Welcome/10", None),
    "job-parent": (200, "GET", "/queues/Payments/batch", None),
    "job-404": (404, "GET", "/queues/Payments/nobody", None),
    "logs": (200, "GET", "/queues/Emails.Welcome/10/logs", None),
    "flow": (200, "GET", "/queues/flow-children/one/flow", None),
    "add": (200, "POST", "/queues/video/add", {"name": "n1", "data": {"a": 1}, "options": {"delay": 99_999_999}}),
    "retry-bad": (400, "PUT", "/queues/flow-children/two/retry", None),
    "retryall-bad": (400, "PUT", "/queues/video/retry/delayed", None),
    "clean-active": (409, "PUT", "/queues/video/{active}/clean", None),
    "clean-sched": (400, "PUT", "/queues/reports/{next}/clean", None),
    "obliterate-bad": (400, "PUT", "/queues/video/obliterate", {}),
    "priority-bad": (400, "PATCH", "/queues/video/p4/priority", {"priority": -1}),
    "sched-404": (404, "PUT", "/queues/reports/job-schedulers/none/run", None),
    "sched-bad": (400, "PATCH", "/queues/reports/job-schedulers/nightly", {"pattern": "x"}),
    "sched-run": (200, "PUT", "/queues/reports/job-schedulers/nightly/run", None),
    "sched-upd": (204, "PATCH", "/queues/reports/job-schedulers/nightly", {"every": 60_000}),
    "promote": (204, "PUT", "/queues/flow-children/two/promote", None),
    "priority": (200, "PATCH", "/queues/video/p4/priority", {"priority": 2}),
    "updatedata": (200, "PATCH", "/queues/video/p4/update-data", {"jobData": [1]}),
    "delay": (200, "PATCH", "/queues/video/{added}/delay", {"runAt": 5}),
    "rmchildren": (200, "PUT", "/queues/Payments/batch/remove-unprocessed-children", None),
    "clean": (204, "PUT", "/queues/video/p4/clean", None),
    "concurrency": (200, "PUT", "/queues/video/concurrency", {"concurrency": 2}),
    "ratelimit-set": (200, "PUT", "/queues/video/rate-limit", {"max": 5, "duration": 1000}),
    "ratelimit-release": (200, "PUT", "/queues/video/rate-limit/release", None),
    "ratelimit-del": (200, "PUT", "/queues/video/rate-limit", {"max": None}),
    "retryall": (200, "PUT", "/queues/Emails.Welcome/retry/failed", None),
    "pause": (200, "PUT", "/queues/video/pause", None),
    "resume": (200, "PUT", "/queues/video/resume", None),
}


async def test_every_recorded_answer_has_its_like(seeded, admin, connection):
    assert ASKED.keys() == RECORDED.keys()
    (active,) = [job.decode() for job in await start(connection, "video")]
    told = {one["id"]: one for one in (await ask(admin, "GET", "/job-schedulers"))[1]["schedulers"]}
    names = {"active": active, "next": told["nightly"]["nextRunJobId"], "added": ""}
    for name, (status, method, path, sent) in ASKED.items():
        answered, body = await ask(admin, method, path.format(**names), sent)
        assert answered == status, (name, body)
        if name.startswith("queues") and status == 200:
            wanted = "video" if name == "queues-latest" else "Emails.Welcome"
            body["queues"] = [queue for queue in body["queues"] if queue["name"] == wanted]
        found = list(unlike(RECORDED[name], body))
        assert not found, (name, found, body)
        names["added"] = body["job"]["id"] if name == "add" else names["added"]
    acted = {name for name, (status, method, _path, _sent) in ASKED.items() if status < 300 and method != "GET"}
    # A release with nothing to release is none; the recovery of what was refused is on record, too.
    assert await AuditEntry.objects.filter(outcome="done", actor="admin").acount() == len(acted - {"ratelimit-release"})


def unlike(recorded: Any, ours: Any, at: str = "") -> Iterator[str]:
    """Fields of the recorded answer that ours lacks, or that are of another type; of lists the first of each."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for name, value in recorded.items():
            # Sets of a job's own: what it was given, what it carries.
            if name in ("data", "returnValue", "options", "displayText", "ignoredChildFailureReasons"):
                continue
            if name not in ours:
                yield f"{at}.{name} is missing"
            else:
                yield from unlike(value, ours[name], f"{at}.{name}")
    elif isinstance(recorded, list) and isinstance(ours, list):
        if recorded and not ours:
            yield f"{at} is empty"
        for pair in zip(recorded[:1], ours[:1], strict=False):
            yield from unlike(*pair, f"{at}[]")
    elif type(recorded) is not type(ours) and not ({type(recorded), type(ours)} <= {int, float}):
        yield f"{at}: {type(recorded).__name__}, and here {ours!r}"


async def test_names_may_hold_anything_and_words_are_jobs_where_no_method_takes_them(seeded, admin, prefix):
    names = ["a b/ü?#%25[*]", "pause", "retry", "add"]
    for name in names:
        for job_id in ("id /?%2F#", "pause", "empty", "retry"):
            plant_job(seeded, prefix, name, job_id, name="odd", data='{"n":12345678901234567890,"f":1.10}')
            at = f"/queues/{quote(name, safe='')}/{quote(job_id, safe='')}"
            status, body = await ask(admin, "GET", at)
            assert (status, body["job"]["id"], body["status"]) == (200, job_id, "failed")
            assert (await ask(admin, "GET", f"{at}/logs"))[0] == (await ask(admin, "GET", f"{at}/flow"))[0] == 200
    answer = await admin.get("/admin/queues/api/queues/retry/retry")
    assert b'"data":{"n":12345678901234567890,"f":1.10}' in answer.content
    assert (await ask(admin, "PUT", "/queues/retry/empty/retry"))[0] == 204
    # `workers` is a word for GET, as it is there.
    assert "workers" in (await ask(admin, "GET", "/queues/pause/workers"))[1]
    assert (await ask(admin, "DELETE", "/queues/pause/pause"))[0] == 405
    assert (await ask(admin, "GET", "/queues/nowhere"))[0] == 404


async def test_what_is_sent_is_bounded_and_is_json(seeded, admin):
    at, deep = "/queues/video/add", json.loads("[" * 70 + "]" * 70)
    for sent, status in ((deep, 400), ([], 400), ("text", 400), ({"data": "x" * 1_100_000}, 413)):
        assert (await ask(admin, "POST", at, sent))[0] == status
    for raw in (b'{"data": NaN}', b'{"data": 1e999}', b"{", b"\xff"):
        answer = await admin.post(f"/admin/queues/api{at}", raw, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["code"] == "INVALID_REQUEST"
    for options in ({"bogus": 1}, {"delay": -1}, {"jobId": "7"}, {"jobId": "meta"}, {"parent": {"id": "1"}}):
        status, body = await ask(admin, "POST", at, {"name": "x", "options": options})
        assert (status, body["error"]["key"]) == (400, "ERRORS.INVALID_REQUEST_BODY"), options
        assert body["message"] or body["error"]["options"]
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        for path in (at, "/metrics/history/purge"):
            assert (await admin.post(f"/admin/queues/api{path}", "{}", content_type=kind)).status_code == 415
    assert (await ask(admin, "PUT", "/queues/video/clean/bogus"))[0] == 400
    assert (await ask(admin, "GET", "/queues?connection=none"))[0] == 404


async def test_a_child_is_added_to_a_parent_that_its_adder_may_add_to(seeded, admin, prefix):
    parent = {"parent": {"id": "batch", "queue": f"{prefix}:Payments"}, "failParentOnFailure": True}
    assert (await ask(admin, "POST", "/queues/video/add", {"name": "late", "options": parent}))[0] == 200
    flow = (await ask(admin, "GET", "/queues/Payments/batch/flow"))[1]["flowRoot"]
    assert flow["dependencies"]["unprocessed"] == 3
    tom = await restricted("tom", "video")
    assert (await ask(tom, "POST", "/queues/video/add", {"name": "late", "options": parent}))[0] == 404


async def restricted(name: str, pattern: str) -> Browser:
    """Everything on the queues that fit, and nothing else."""
    return await signed_in_on(name, pattern, abilities=ABILITIES)


async def test_an_answer_that_stayed_the_same_is_not_sent_again_and_asks_redis_nothing(seeded, admin, monkeypatch):
    monkeypatch.setattr("dashboard.api.seen.FRESH_S", 3600)
    first = await admin.get("/admin/queues/api/queues", headers={"Accept-Encoding": "gzip"})
    assert first["Content-Encoding"] == "gzip"
    assert first["Cache-Control"] == "private, no-cache"
    before = seeded.info("commandstats")
    again = await admin.get("/admin/queues/api/queues", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    after = seeded.info("commandstats")
    assert {name for name in after if after[name]["calls"] != before.get(name, {"calls": 0})["calls"]} <= {
        "cmdstat_info", "cmdstat_client|setname", "cmdstat_hello",
    }  # fmt: skip
    carries = await admin.get("/admin/queues/api/queues?activeQueue=Emails.Welcome")
    assert carries["Cache-Control"] == "no-store"
    assert await ask(admin, "PUT", "/queues/video/pause") == (200, {})
    told = (await ask(admin, "GET", "/queues"))[1]["queues"]
    assert [one["name"] for one in told if one["isPaused"]] == ["video"]


async def test_what_is_too_large_for_a_list_is_on_the_jobs_own_answer(seeded, admin, prefix):
    plant_job(seeded, prefix, "big", "1", data=json.dumps({"text": "x" * 100_000}), failedReason="y" * 100_000)
    told = next(one for one in (await ask(admin, "GET", "/queues?activeQueue=big"))[1]["queues"] if one["jobs"])
    assert told["jobs"][0]["truncated"] == ["data", "failedReason"]
    assert "100,0" in told["jobs"][0]["data"]
    alone = (await ask(admin, "GET", "/queues/big/1"))[1]["job"]
    assert alone["data"] == {"text": "x" * 100_000}
    assert len(alone["failedReason"]) == 100_000
    assert "truncated" not in alone


@pytest.fixture
async def secretive(connection, client_of_redis, prefix):
    held = json.dumps({"user": {"password": SECRET, "id": 7}})
    fields = {
        "data": held,
        "opts": json.dumps({"token": SECRET}),
        "returnvalue": held,
        "progress": held,
        "defa": SECRET,
    }
    stacks = {"failedReason": f"password={SECRET}", "stacktrace": json.dumps([f"Error: password={SECRET}"])}
    plant_job(client_of_redis, prefix, "chat", "7", **(fields | stacks | {"defa": f"password={SECRET}"}))
    client_of_redis.rpush(f"{prefix}:chat:7:logs", f"INFO password={SECRET}")
    await queue("chat").upsert_scheduler("s", every_ms=60_000, data={"password": SECRET})
    child = {"queue": "chat", "name": "c", "data": {"password": SECRET}, "job_id": "child"}
    await queue("chat").add_flow("p", {"password": SECRET}, children=[child], job_id="whole")
    client_of_redis.hset(f"{prefix}:chat:whole:failed", f"{prefix}:chat:child", f"password={SECRET}")
    return client_of_redis


SHOWN = (
    "/queues?activeQueue=chat", "/queues?activeQueue=chat&status=failed", "/queues/chat/7", "/queues/chat/7/logs",
    "/queues/chat/whole/flow", "/job-schedulers",
)  # fmt: skip


async def test_secrets_are_masked_and_payload_is_only_for_who_may_read_it(secretive, admin):
    outside = await signed_in("outside", "view")
    for path in SHOWN:
        told = json.dumps((await ask(admin, "GET", path))[1], ensure_ascii=False)
        assert SECRET not in told, path
        assert "•••" in told, path
        told = json.dumps((await ask(outside, "GET", path))[1], ensure_ascii=False)
        assert SECRET not in told, path
        assert "•••" not in told, path
    assert (await ask(outside, "GET", "/queues/chat/7"))[1]["job"]["isFailed"] is True
    assert (await ask(outside, "GET", "/queues/chat/7"))[1]["job"]["withheld"] is True
    assert (await ask(outside, "GET", "/queues/chat/7/logs"))[0] == 403


async def test_a_mask_that_comes_back_keeps_what_is_stored_and_is_never_stored(secretive, admin, prefix):
    key, at = f"{prefix}:chat:7", "/queues/chat/7/update-data"
    shown = (await ask(admin, "GET", "/queues/chat/7"))[1]["job"]["data"]
    changed = {"more": [1], "user": shown["user"] | {"id": 8}}
    assert await ask(admin, "PATCH", at, {"jobData": changed}) == (200, {})
    assert json.loads(secretive.hget(key, "data")) == {"more": [1], "user": {"password": SECRET, "id": 8}}
    for moved in ({"user": {"name": "•••"}}, {"x": shown["user"]}, {"user": {"password": "a •••"}}, ["•••"], "•••"):
        assert (await ask(admin, "PATCH", at, {"jobData": moved}))[0] == 400, moved
    assert json.loads(secretive.hget(key, "data"))["user"]["password"] == SECRET
    assert await ask(admin, "PATCH", at, {"jobData": {"user": {"password": "new"}}}) == (200, {})
    assert json.loads(secretive.hget(key, "data")) == {"user": {"password": "new"}}
    assert SECRET not in "".join([entry.parameters async for entry in AuditEntry.objects.all()])
