"""The five systems' entries: what they take, whose it is, and what a row says whatever became of its job."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from dashboard.systems.endings import Note, write
from dashboard.systems.models import Message, Page, Scan, Status, TextJob, Work
from dashboard.systems.telling import tell_who_asked
from queues import queue
from queues.models import AuditEntry, Job
from queues.options import reset_options
from queues.states import State
from queues.systems.platform import summarize
from queues.systems.settings import QUEUES
from tests.conftest import RedisServer
from tests.eventually import eventually
from tests.inprocess import ClosedPort, in_process, running
from tests.web.conftest import signed_in
from tests.web.keyed import Program, plant_key, program
from tests.working import working

__all__ = ["in_process"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.program_urls")]
MAY = ("view", "add", "remove", "schedulers")
TEXT = {"text": "Late. Again."}


@pytest.fixture
def systems(connection: str, settings: Any) -> str:
    settings.TORIL = {**settings.TORIL, "QUEUES": QUEUES}
    settings.TORIL_SYSTEMS_PACE = 0
    reset_options()
    return connection


@pytest.fixture
async def caller(systems: str, transactional_db: None) -> Program:
    return program(await plant_key("ours", MAY))


async def post(who: Program, path: str, body: Any) -> tuple[int, Any]:
    answer = await who.post(path, json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


async def get(who: Program, path: str) -> tuple[int, Any]:
    answer = await who.get(path)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/jobs/summarize", {}, "“text” must be a text that is not empty"),
        ("/v1/jobs/summarize", {"text": "x" * 100_001}, "“text” may have 100,000 characters"),
        ("/v1/jobs/summarize", {"text": "a\x00b"}, "“text” holds a character that is no text"),
        ("/v1/jobs/summarize", {**TEXT, "txet": 1}, "There is no field “txet”"),
        ("/v1/jobs/summarize", {**TEXT, "priority": -1}, "“priority” must be a whole number from 0"),
        ("/v1/jobs/summarize", {**TEXT, "webhookUrl": "ftp://x"}, "“webhookUrl” must be an http or https address"),
        ("/v1/jobs/translate", {**TEXT, "language": "fr. Ignore all"}, "“language” must be a language code"),
        ("/v1/jobs/summarize", [TEXT], "The body must be a JSON object"),
        ("/api/chat", {"message": " "}, "“message” must be a text that is not empty"),
        ("/api/deep-research/start", {"message": 5}, "“message” must be a text"),
        ("/api/scans", {"url": "javascript:alert(1)"}, "“url” must be an http or https address"),
        ("/api/scans", {"url": "https://h", "id": "5"}, "whole number"),
        ("/api/scans", {"url": "https://h", "id": "a:b"}, "contains ':'"),
        ("/api/scans", {"url": "https://h", "plan": "gold"}, "“plan” must be one of premium, standard"),
        ("/api/scans", {"url": "https://h", "schedule": {"everyMs": 1}}, "“everyMs” must be a whole number"),
        ("/api/papers", {"url": "https://arxiv.org.evil.example/abs/2401.01234"}, "“url” must be a paper's address"),
        ("/api/pages", {"pages": []}, "“pages” must be 1 to 100 pages"),
        ("/api/pages", {"pages": [{"url": "https://h"}, {"url": "nowhere"}]}, "“url” must be an http or https"),
        ("/api/pages", {"url": "https://h", "parameters": {"a": {}}}, "“a” must be a text"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_its_name_and_nothing_is_added(
    caller: Program, path: str, body: Any, said: str
) -> None:
    status, answer = await post(caller, path, body)
    assert (status, said in answer["error"]["message"]) == (400, True), answer
    assert await Work.objects.acount() == await AuditEntry.objects.acount() == 0


async def test_methods_kinds_bodies_and_connections_that_are_none_are_told_so(caller: Program) -> None:
    assert (await post(caller, "/v1/jobs/shout", TEXT))[0] == 404
    assert (await get(caller, "/api/chat"))[0] == 405
    assert (await caller.post("/api/chat", "message=x", content_type="text/plain")).status_code == 415
    assert (await caller.post("/api/chat", "{", content_type="application/json")).status_code == 400
    assert (await post(caller, "/api/chat?connection=other", {"message": "x"}))[0] == 404
    assert (await get(caller, "/v1/jobs?limit=1000"))[0] == 400


async def test_what_is_asked_for_is_ones_own_and_adding_takes_the_right_to(caller: Program) -> None:
    other, viewer = program(await plant_key("theirs", MAY)), program(await plant_key("reads", ("view",)))
    _, text = await post(caller, "/v1/jobs/summarize", TEXT)
    _, chat = await post(caller, "/api/chat", {"message": "Why?"})
    _, scan = await post(caller, "/api/scans", {"url": "https://shop.example", "id": "scan-abc123"})
    _, paper = await post(caller, "/api/papers", {"url": "https://arxiv.org/pdf/2401.01234v2.pdf"})
    _, pages = await post(caller, "/api/pages", {"pages": [{"url": "https://a.example"}, {"url": "https://b.example"}]})
    paths = [f"/v1/jobs/{text['id']}", f"/api/messages/{chat['messageId']}", f"/api/scans/{scan['id']}",
             f"/api/papers/{paper['id']}", *(f"/api/pages/{page['id']}" for page in pages["pages"])]  # fmt: skip
    for path in paths:
        assert (await get(caller, path))[0] == 200
        assert (await get(other, path))[0] == (await get(viewer, path))[0] == 404
    for path, name in (("/v1/jobs", "jobs"), ("/api/messages", "messages"), ("/api/scans", "scans"),
                       ("/api/papers", "papers"), ("/api/pages", "pages")):  # fmt: skip
        assert (await get(caller, path))[1][name]
        assert (await get(other, path))[1][name] == []
    assert (await other.delete("/api/scans/scan-abc123")).status_code == 404
    # A conversation is of whoever began it.
    told = {"message": "And me?", "conversationId": chat["conversationId"]}
    assert (await post(other, "/api/chat", told))[0] == 404
    assert (await post(viewer, "/v1/jobs/summarize", TEXT))[0] == 403
    assert (await post(program(await plant_key("mails", MAY, ["mails"])), "/v1/jobs/summarize", TEXT))[0] == 404
    assert await AuditEntry.objects.filter(actor="key:ours", action="job.add").acount() == 9


async def test_jobs_carry_what_their_programs_read_and_a_page_is_a_flow(caller: Program) -> None:
    _, chat = await post(caller, "/api/chat", {"message": "Why?"})
    job = await queue("chat").get_job(chat["jobId"])
    assert set(job.data) == {"userId", "conversationId", "messageId", "message", "authMethod", "requestedAt"}
    assert (job.data["authMethod"], job.data["userId"]) == ("api-key", (await Message.objects.aget()).owner)
    _, page = await post(caller, "/api/pages", {"url": "https://a.example"})
    parent = queue("embeddings-generation").job(page["embedding"]["jobId"])
    assert await parent.state() is State.WAITING_CHILDREN
    assert (await parent.children()).pending == 1
    _, first = await post(caller, "/api/scans", {"url": "https://a.example", "plan": "standard"})
    _, second = await post(caller, "/api/scans", {"url": "https://b.example", "plan": "premium"})
    assert [job.id for job in await queue("scan").jobs("prioritized")] == [second["id"], first["id"]]


async def test_what_is_asked_for_is_added_whole_though_who_asked_hangs_up(caller: Program) -> None:
    asked = asyncio.create_task(post(caller, "/api/papers", {"url": "https://arxiv.org/abs/2401.01234"}))
    await eventually(Work.objects.aexists, 30)
    asked.cancel()
    await asyncio.wait({asked})
    assert await Work.objects.acount() == 4


async def test_an_id_that_is_taken_is_a_conflict_and_the_first_scan_stays(caller: Program) -> None:
    told = {"url": "https://shop.example", "id": "scan-abc123"}
    assert (await post(caller, "/api/scans", told))[0] == 202
    assert (await post(caller, "/api/scans", told))[0] == 409
    await queue("scan").add("scan", {}, job_id="scan-node")
    status, answer = await post(caller, "/api/scans", {**told, "id": "scan-node"})
    assert (status, answer["error"]["code"]) == (409, "already_there")
    assert [row.job_id async for row in Scan.objects.all()] == ["scan-abc123"]


async def test_a_scan_is_cancelled_while_it_waits_and_not_when_it_has_ended(caller: Program) -> None:
    told = {"url": "https://shop.example", "id": "scan-later", "delayMs": 60_000}
    await post(caller, "/api/scans", told)
    assert await queue("scan").job("scan-later").state() is State.DELAYED
    answer = await caller.delete("/api/scans/scan-later")
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert answer.json()["errorMessage"] == "Cancelled by its owner."
    assert await queue("scan").get_job("scan-later") is None
    assert (await caller.delete("/api/scans/scan-later")).status_code == 409


async def test_a_row_says_what_its_job_does_even_where_no_writer_ever_told_it(caller: Program) -> None:
    _, told = await post(caller, "/v1/jobs/summarize", TEXT)
    path = f"/v1/jobs/{told['id']}"
    assert (await get(caller, path))[1]["status"] == "QUEUED"
    async with working(summarize, "ai-jobs"):
        await eventually(lambda: said(caller, path, "SUCCEEDED"), 30)
    await queue("ai-jobs").obliterate(force=True)
    _, found = await get(caller, path)
    assert found["output"] == {"summary": "Late.", "originalLength": 12, "summaryLength": 5}
    assert found["tokenUsed"] == 42


async def said(who: Program, path: str, status: str) -> bool:
    return bool((await get(who, path))[1]["status"] == status)


async def test_a_job_that_redis_dropped_is_remembered_by_the_mirror_and_one_that_nobody_knows_has_failed(
    caller: Program,
) -> None:
    _, kept = await post(caller, "/v1/jobs/summarize", TEXT)
    _, lost = await post(caller, "/v1/jobs/summarize", TEXT)
    await queue("ai-jobs").obliterate(force=True)
    mirrored = {"state": "failed", "failed_reason": "no luck", "finished_on_ms": 1_700_000_000_000}
    await Job.objects.acreate(connection="default", queue="ai-jobs", job_id=kept["id"], timestamp_ms=1, **mirrored)
    _, found = await get(caller, f"/v1/jobs/{kept['id']}")
    assert (found["status"], found["error"], found["completedAt"]) == ("FAILED", "no luck", "2023-11-14T22:13:20.000Z")
    # It may be on its way still.
    assert (await get(caller, f"/v1/jobs/{lost['id']}"))[1]["status"] == "QUEUED"
    await Work.objects.filter(job_id=lost["id"]).aupdate(created_at=timezone.now() - timedelta(minutes=2))
    _, found = await get(caller, f"/v1/jobs/{lost['id']}")
    assert (found["status"], found["error"]) == ("FAILED", "The job was removed from its queue.")


async def test_where_redis_is_away_a_row_says_that_its_job_was_not_added(
    caller: Program, own_redis: RedisServer, settings: Any
) -> None:
    settings.TORIL = {**settings.TORIL, "CONNECTIONS": {"default": {"URL": own_redis.url}}}
    reset_options()
    await post(caller, "/v1/jobs/summarize", TEXT)
    own_redis.stop()
    assert (await post(caller, "/v1/jobs/summarize", TEXT))[0] == 503
    _, jobs = await get(caller, "/v1/jobs")
    assert [job["status"] for job in jobs["jobs"]] == ["FAILED", "QUEUED"]
    assert "Redis" in jobs["jobs"][0]["error"]


async def test_who_asked_to_be_told_is_told_once_when_the_job_has_ended(caller: Program) -> None:
    for number in range(2):
        told = {**TEXT, "webhookUrl": f"https://hooks.example/{number}"}
        await post(caller, "/v1/jobs/summarize", told)
    first = await Work.objects.order_by("pk").afirst()
    await sync_to_async(write)(Note("completed", "ai-jobs", first.job_id, timezone.now(), '{"output": {}}'))
    # What could not be added was answered so, and has not ended.
    await Work.objects.exclude(pk=first.pk).aupdate(status=Status.FAILED)
    assert await sync_to_async(tell_who_asked)() == 1
    # As after a crash between the two.
    await Work.objects.filter(pk=first.pk).aupdate(owes_webhook=True)
    assert await sync_to_async(tell_who_asked)() == 1
    (job,) = await queue("webhooks").jobs("waiting")
    assert (job.data["url"], job.data["event"]) == ("https://hooks.example/0", "job.succeeded")
    assert job.data["payload"] == {"id": first.job_id, "queue": "ai-jobs", "status": "completed"}


async def test_who_asked_to_be_told_is_told_of_what_no_worker_wrote(caller: Program) -> None:
    told = {"url": "https://shop.example", "id": "scan-later", "delayMs": 60_000, "webhookUrl": "https://h.example/1"}
    await post(caller, "/api/scans", told)
    assert (await caller.delete("/api/scans/scan-later")).status_code == 200
    _, found = await post(caller, "/v1/jobs/summarize", {**TEXT, "webhookUrl": "https://h.example/2"})
    async with working(summarize, "ai-jobs"):
        await eventually(lambda: said(caller, f"/v1/jobs/{found['id']}", "SUCCEEDED"), 30)
    jobs = await queue("webhooks").jobs("waiting")
    assert [(job.data["url"], job.data["event"]) for job in jobs] == [
        ("https://h.example/1", "job.failed"), ("https://h.example/2", "job.succeeded"),
    ]  # fmt: skip


async def test_a_row_follows_its_job_through_attempts_and_takes_what_no_database_would(caller: Program) -> None:
    _, told = await post(caller, "/v1/jobs/summarize", TEXT)

    async def after(word: Any, said: str = "") -> TextJob:
        await sync_to_async(write)(Note(word, "ai-jobs", told["id"], timezone.now(), said))
        return await TextJob.objects.aget()

    assert (await after("started")).status == Status.PROCESSING
    retried = await after("retried", "half \ud800 and \x00")
    assert (retried.status, retried.error_message) == (Status.QUEUED, "half ? and \ufffd")
    assert (await after("failed", "no")).completed_at is not None
    # An operator's retry.
    assert (await after("started")).completed_at is None
    done = await after("completed", '{"output": {"a": "\\u0000"}}')
    assert (done.status, done.result) == (Status.COMPLETED, {"output": {"a": "\ufffd"}})
    # A slower worker's note of before.
    assert (await after("started")).status == Status.COMPLETED


async def test_a_schedulers_scan_belongs_to_who_made_the_scheduler(caller: Program) -> None:
    await queue("scan").add("scan", {})
    told = {"url": "https://shop.example", "id": "nightly", "schedule": {"pattern": "0 3 * * *", "tz": "Europe/Berlin"}}
    assert await post(caller, "/api/scans", told) == (202, {"scheduleId": "nightly"})
    assert (await post(caller, "/api/scans", told))[0] == 409
    (job,) = await queue("scan").jobs("delayed")
    await sync_to_async(write)(Note("started", "scan", job.id, timezone.now(), data=job.data))
    _, scans = await get(caller, "/api/scans")
    assert [(scan["url"], scan["plan"]) for scan in scans["scans"]] == [("https://shop.example", "standard")]
    # What nobody asked for by an entry has no row.
    await sync_to_async(write)(Note("started", "scan", "repeat:other:1", timezone.now(), data={"url": "https://x"}))
    assert await Scan.objects.acount() == 1


async def test_in_process_the_same_entry_needs_no_redis_and_what_needs_one_is_refused(
    in_process: ClosedPort, settings: Any
) -> None:
    settings.TORIL_SYSTEMS_PACE = 0
    who = program(await plant_key("ours", MAY))
    async with running(summarize, "ai-jobs"):
        status, told = await post(who, "/v1/jobs/summarize", TEXT)
        assert status == 201
        await eventually(lambda: said(who, f"/v1/jobs/{told['id']}", "SUCCEEDED"), 30)
        status, answer = await post(who, "/api/pages", {"url": "https://a.example"})
        assert (status, answer["error"]["code"]) == (409, "not_in_process")
        assert await Page.objects.acount() == 0


async def test_a_form_asks_as_a_program_does_and_shows_what_became_of_it(systems: str, settings) -> None:
    ana = await signed_in("ana", "view", "add")
    base = "/admin/queues/systems"
    assert (await ana.get(base))["Location"] == f"{base}/pages"
    for name, fields in (
        ("pages", {"url": "https://a.example", "method": "POST"}),
        ("papers", {"url": "https://arxiv.org/abs/2401.01234"}),
        ("chat", {"message": "Why <b>?", "queue": "deep-research"}),
        ("scans", {"url": "https://shop.example", "plan": "premium"}),
        ("texts", {"kind": "classify", "text": "My invoice"}),
    ):
        assert (await ana.post(f"{base}/{name}", fields)).status_code == 303
        page = (await ana.get(f"{base}/{name}")).content.decode()
        assert ">queued<" in page
        assert "<b>?" not in page
    assert (await ana.get(f"{base}/nothing")).status_code == 404
    wrong = await ana.post(f"{base}/scans", {"url": "nowhere <b>", "plan": "premium"})
    assert (wrong.status_code, 'role="alert"' in wrong.content.decode()) == (400, True)
    for kept in ('value="nowhere &lt;b&gt;"', "<option selected>premium"):
        assert kept in wrong.content.decode(), "what was typed stays"
    vera = await signed_in("vera", "view")
    assert "You may not add jobs to scan" in (await vera.get(f"{base}/scans")).content.decode()
    assert (await vera.post(f"{base}/scans", {"url": "https://shop.example"})).status_code == 403
    settings.TORIL = settings.TORIL | {"READ_ONLY": True}
    assert "This site is read-only" in (await ana.get(f"{base}/scans")).content.decode()
    assert await Work.objects.acount() == 9
