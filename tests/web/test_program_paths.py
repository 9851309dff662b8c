"""/api/health, /api/queue/status and /v1/admin/queue/…: what the systems that name them read there."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest
import redis

from dashboard.api import health
from queues.lookups import snapshot
from queues.models import AuditEntry
from queues.options import reset_options
from queues.protocol import reads
from tests.eventually import eventually
from tests.inprocess import in_process, running, until  # noqa: F401
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.conftest import signed_in_on
from tests.web.planted import plant_job

pytestmark = pytest.mark.django_db(transaction=True)
ADMIN = "/v1/admin/queue"
SECRET = "hunter2-hunter2"


async def read(browser, path: str, status: int = 200):
    answer = await browser.get(path)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    return answer.json()


async def seeing(*queues: str, abilities=("view",)):
    """Somebody who sees these alone."""
    return await signed_in_on("someone", *queues, abilities=abilities)


# --- health


async def test_health_is_told_to_anyone_and_a_redis_that_is_away_is_503(
    anonymous, own_redis, prefix, settings, monkeypatch
):
    monkeypatch.setattr(health, "EVERY_S", 0.0)
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    told = await read(anonymous, "/api/health")
    assert datetime.fromisoformat(told.pop("timestamp")).tzinfo is not None
    assert told == {"status": "ok", "jobQueue": {"enabled": True, "redis": "connected"}}
    own_redis.stop()
    told = await read(anonymous, "/api/health", 503)
    assert (told["status"], told["jobQueue"]) == ("error", {"enabled": True, "redis": "disconnected"})
    own_redis.start()

    async def is_well() -> bool:
        return (await anonymous.get("/api/health")).status_code == 200

    await eventually(is_well)
    reset_options()


async def test_a_redis_that_stands_still_is_not_waited_for(anonymous, own_redis, prefix, settings, monkeypatch):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    monkeypatch.setattr(health, "EVERY_S", 0.0)
    with redis.Redis(port=own_redis.port) as client:
        client.execute_command("CLIENT", "PAUSE", 600_000, "ALL")
    assert (await read(anonymous, "/api/health", 503))["jobQueue"]["redis"] == "disconnected"
    own_redis.stop()
    own_redis.start()
    await eventually(lambda: reads.server_info("default"))
    # It answers, and not as soon as it must.
    monkeypatch.setattr(health, "TIMEOUT_S", 0.0)
    assert (await read(anonymous, "/api/health", 503))["jobQueue"]["redis"] == "disconnected"
    reset_options()


@pytest.mark.usefixtures("in_process")
async def test_with_the_queue_switched_off_all_is_well_and_said_to_be_off(anonymous, viewer):
    told = await read(anonymous, "/api/health")
    assert (told["status"], told["jobQueue"]) == ("ok", {"enabled": False, "redis": "disabled"})
    async with running(lambda job: {"pages": 3}, queue="scan"):
        from queues.producer import queue

        await queue("scan").add("scan", {}, job_id="scan-1")
        await until("scan-1", "completed", "scan")
        job = (await read(viewer, "/api/queue/status?jobId=scan-1"))["job"]
        assert (job["state"], job["result"]) == ("completed", {"pages": 3})
        assert (await read(viewer, "/api/queue/status"))["stats"]["total"] == 1
        assert (await read(viewer, f"{ADMIN}/metrics/all"))["scan"]["completed"] == 1


# --- status


async def test_the_counts_add_up_and_are_those_of_scan_unless_another_is_named(
    viewer, connection, client_of_redis, prefix
):
    await plant_waiting(connection, "scan", 3)
    await plant_delayed(connection, "scan", 2)
    plant_failed(client_of_redis, prefix, "scan", 4)
    client_of_redis.zadd(f"{prefix}:scan:prioritized", {"p1": 1, "p2": 2})
    client_of_redis.zadd(f"{prefix}:scan:waiting-children", {"w1": 1})
    await plant_waiting(connection, "other", 1)
    stats = (await read(viewer, "/api/queue/status"))["stats"]
    assert stats == {"waiting": 6, "active": 0, "completed": 0, "failed": 4, "delayed": 2, "total": 12}
    assert (await read(viewer, "/api/queue/status?queue=other"))["stats"]["waiting"] == 1
    missing = await read(viewer, "/api/queue/status?queue=none", 404)
    assert missing["error"]["code"] == "queue_not_found"


async def test_a_queue_of_the_settings_counts_nothing_before_its_first_job(viewer, connection, settings):
    settings.TORIL = {**settings.TORIL, "QUEUES": {"scan": {}, "ai-jobs": {}}}
    reset_options()
    nothing = dict.fromkeys(("waiting", "active", "completed", "failed", "delayed", "total"), 0)
    assert (await read(viewer, "/api/queue/status"))["stats"] == nothing
    assert await read(viewer, f"{ADMIN}/metrics") == {"queue": "ai-jobs", **nothing}
    browser = await seeing("open", abilities=["view"])
    assert (await read(browser, "/api/queue/status", 404))["error"]["code"] == "queue_not_found"


async def test_a_queue_that_was_made_a_moment_ago_is_there(viewer, connection):
    await plant_waiting(connection, "old")
    await read(viewer, "/api/queue/status?queue=old")
    await plant_waiting(connection, "scan", 2)
    assert (await read(viewer, "/api/queue/status"))["stats"]["waiting"] == 2


async def test_a_job_is_told_with_its_secrets_masked_and_without_the_right_to_payloads_without_them(
    viewer, connection, client_of_redis, prefix
):
    result = json.dumps({"pages": 3, "password": SECRET})
    odd = {"returnvalue": result, "progress": "40", "failedReason": f"password={SECRET}"}
    plant_job(client_of_redis, prefix, "scan", "scan-abc123", "completed", **odd)
    plant_job(client_of_redis, prefix, "scan", "a/b c", "failed", returnvalue="{broken", progress="NaN")
    job = (await read(viewer, "/api/queue/status?jobId=scan-abc123"))["job"]
    assert (job["id"], job["state"], job["progress"], job["queue"]) == ("scan-abc123", "completed", 40, "scan")
    assert job["result"] == {"pages": 3, "password": "•••"}
    assert SECRET not in job["failedReason"]
    assert job["finishedOn"] >= job["processedOn"] > time.time() * 1000 - 3_600_000
    odd = (await read(viewer, "/api/queue/status?jobId=a%2Fb%20c"))["job"]
    assert (odd["id"], odd["result"], odd["progress"]) == ("a/b c", "{broken", "NaN")
    looker = await seeing("scan")
    job = (await read(looker, "/api/queue/status?jobId=scan-abc123"))["job"]
    assert (job["state"], job["result"], job["progress"], job["failedReason"]) == ("completed", None, None, None)
    missing = await read(viewer, "/api/queue/status?jobId=scan-none", 404)
    assert missing["error"]["code"] == "job_not_found"


async def test_large_results_come_whole_and_what_is_too_large_is_left_out(viewer, connection, client_of_redis, prefix):
    for job_id, size in (("large", 300_000), ("huge", 2_000_000)):
        plant_job(client_of_redis, prefix, "scan", job_id, "completed", returnvalue=json.dumps(["x" * size]))
    assert (await read(viewer, "/api/queue/status?jobId=large"))["job"]["result"] == ["x" * 300_000]
    assert (await read(viewer, "/api/queue/status?jobId=huge"))["job"]["result"] is None


async def test_what_is_not_seen_is_not_there(connection, client_of_redis, prefix):
    for queue in ("scan", "open", "ai-jobs"):
        plant_job(client_of_redis, prefix, queue, "1", "completed")
    browser = await seeing("open", abilities=["view", "pause", "clean"])
    asked = ("/api/queue/status", "/api/queue/status?jobId=1", f"{ADMIN}/metrics", f"{ADMIN}/metrics?queue=scan")
    for path in asked:
        assert (await read(browser, path, 404))["error"]["code"] == "queue_not_found", path
    assert list(await read(browser, f"{ADMIN}/metrics/all")) == ["open"]
    for verb in ("pause", "resume", "clean"):
        answer = await browser.post(f"{ADMIN}/{verb}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "queue_not_found"), verb
        assert (await browser.post(f"{ADMIN}/{verb}?queue=open")).status_code == 200, verb


async def test_public_counts_open_counts_and_nothing_else(anonymous, connection, client_of_redis, prefix, settings):
    plant_job(client_of_redis, prefix, "scan", "1", "completed")
    open_paths = ("/api/queue/status", f"{ADMIN}/metrics?queue=scan", f"{ADMIN}/metrics/all")
    for path in open_paths:
        await read(anonymous, path, 401)
    settings.TORIL = {**settings.TORIL, "PUBLIC_COUNTS": True}
    reset_options()
    assert (await read(anonymous, open_paths[0]))["stats"]["completed"] == 1
    for path in open_paths:
        await read(anonymous, path)
    await read(anonymous, "/api/queue/status?jobId=1", 401)
    for verb in ("pause", "resume", "clean"):
        assert (await anonymous.post(f"{ADMIN}/{verb}?queue=scan")).status_code in (401, 403), verb


# --- the AI platform's


async def test_each_queue_is_under_its_name_in_camel_case(viewer, connection):
    for queue in ("ai-jobs", "webhooks", "ai_jobs", "Über-mail.out", "*"):
        await plant_waiting(connection, queue)
    told = await read(viewer, f"{ADMIN}/metrics/all")
    assert {key: figures["queue"] for key, figures in told.items()} == {
        "aiJobs": "ai-jobs",
        "ai_jobs": "ai_jobs",
        "webhooks": "webhooks",
        "überMailOut": "Über-mail.out",
        "*": "*",
    }
    one = await read(viewer, f"{ADMIN}/metrics")
    assert one == told["aiJobs"]
    assert list(one) == ["queue", "waiting", "active", "completed", "failed", "delayed", "total"]


async def test_pause_and_resume_are_recorded_and_need_the_right(operator, viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "ai-jobs")
    refused = await viewer.post(f"{ADMIN}/pause")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    answer = await operator.post(f"{ADMIN}/pause")
    assert (answer.status_code, answer.json()["queue"], answer.json()["paused"]) == (200, "ai-jobs", True)
    assert client_of_redis.hget(f"{prefix}:ai-jobs:meta", "paused")
    answer = await operator.post(f"{ADMIN}/resume?queue=ai-jobs")
    assert answer.json()["paused"] is False
    assert not client_of_redis.hget(f"{prefix}:ai-jobs:meta", "paused")
    rows = [(row.actor, row.action) async for row in AuditEntry.objects.order_by("pk")]
    assert rows == [("operator", "queue.pause"), ("operator", "queue.resume")]
    wrong = await operator.get(f"{ADMIN}/pause")
    assert (wrong.status_code, wrong["Allow"], wrong.json()["error"]["code"]) == (405, "POST", "method_not_allowed")


async def test_clean_removes_what_is_older_than_it_is_kept_as_far_as_it_was_asked(
    admin, connection, client_of_redis, prefix, settings
):
    settings.TORIL = {**settings.TORIL, "QUEUES": {"ai-jobs": {"remove_on_complete": {"age": 36_000}}}}
    reset_options()
    now = int(time.time() * 1000)
    for job_id, state, age_s in (
        ("done-old", "completed", 72_000),
        ("done-new", "completed", 10_800),
        ("bad-old", "failed", 8 * 86_400),
        ("bad-new", "failed", 6 * 86_400),
    ):
        plant_job(client_of_redis, prefix, "ai-jobs", job_id, state, finishedOn=now - age_s * 1000)
        client_of_redis.zadd(f"{prefix}:ai-jobs:{state}", {job_id: now - age_s * 1000})

    async def clean(query: str, status: int = 200):
        answer = await admin.post(f"{ADMIN}/clean{query}")
        assert answer.status_code == status, answer.content
        return answer.json()

    def left() -> set[bytes]:
        return {
            one
            for state in ("completed", "failed")
            for one in client_of_redis.zrange(f"{prefix}:ai-jobs:{state}", 0, -1)
        }

    told = await clean("")
    assert (told["queue"], told["cleaned"], told["left"]) == ("ai-jobs", 2, 0)
    assert left() == {b"done-new", b"bad-new"}
    assert (await clean(""))["cleaned"] == 0
    plant_job(client_of_redis, prefix, "ai-jobs", "bad-newer", "failed")
    assert (await clean("?status=failed&grace=0&limit=1"))["cleaned"] == 1
    assert len(left()) == 2
    assert (await clean("?status=failed&grace=0"))["cleaned"] == 1
    assert left() == {b"done-new"}
    for query in ("?status=lost", "?status=active&grace=-1", "?limit=0", "?grace=x", "?limit=9999999999999999"):
        assert (await clean(query, 400))["error"]["code"] == "invalid_input", query


async def test_while_redis_is_away_counts_are_503_and_not_those_of_before(
    viewer, own_redis, prefix, settings, monkeypatch
):
    monkeypatch.setattr("dashboard.api.seen.FRESH_S", 0.0)
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    await plant_waiting("default", "scan")
    assert (await read(viewer, "/api/queue/status"))["stats"]["total"] == 1
    own_redis.stop()
    for path in ("/api/queue/status", f"{ADMIN}/metrics?queue=scan", f"{ADMIN}/metrics/all"):
        assert (await read(viewer, path, 503))["error"]["code"] == "redis_unavailable"
    await snapshot.forget()
    reset_options()
