"""Toril's own API: what it refuses, and how it says so; what it hides; what its document promises."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import pkgutil

import pytest
from pydantic import BaseModel

from dashboard.api import v1
from dashboard.models import ApiAnswer, QueueGrant
from queues.models import AuditEntry
from queues.options import reset_options
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.conftest import signed_in
from tests.web.test_v1_jobs import CHAT, sent

pytestmark = pytest.mark.django_db(transaction=True)
DEEP = "[" * 70 + "]" * 70
#: method, path, body as bytes, content type → status, code, and a word of what is said.
REFUSED = {
    "no JSON": ("post", f"{CHAT}/jobs", b'{"name": "x",}', None, 400, "invalid_input", "line 1, column"),
    "no number": ("post", f"{CHAT}/jobs", b'{"name": "x", "data": NaN}', None, 400, "invalid_input", "NaN"),
    "no UTF-8": ("post", f"{CHAT}/jobs", b'{"name": "\xff"}', None, 400, "invalid_input", "byte 11"),
    "half a name": ("post", f"{CHAT}/jobs", b'{"name": "\\ud800"}', None, 400, "invalid_input", "body/name"),
    "too deep": ("post", f"{CHAT}/jobs", f'{{"name": "x", "data": {DEEP}}}'.encode(), None, 400, "invalid_input", "64"),
    "too large": ("post", f"{CHAT}/jobs", b'"' + b"x" * 1_000_100 + b'"', None, 413, "too_large", "fewer jobs"),
    "form": ("post", f"{CHAT}/jobs", b"name=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type", ""),
    "text": ("post", f"{CHAT}/jobs", b'{"name": "x"}', "text/plain", 415, "unsupported_media_type", "application/json"),
    "no name": ("post", f"{CHAT}/jobs", b"{}", None, 400, "invalid_input", "body/name"),
    "misspelt": ("post", f"{CHAT}/jobs", b'{"name": "x", "opts": {}}', None, 400, "invalid_input", "body/opts"),
    "text for a number": (
        "post", f"{CHAT}/jobs", b'{"name": "x", "options": {"delay_ms": "5"}}', None, 400, "invalid_input", "delay_ms"),
    "bad queue": ("post", "/api/v1/queues/a%3Ab/jobs", b'{"name": "x"}', None, 400, "invalid_input", ":"),
    "one of many": (
        "post", f"{CHAT}/batches", b'{"jobs": [{"name": "x"}, {"name": "y", "options": {"job_id": "7"}}]}',
        None, 400, "invalid_input", "jobs[1]"),
    "no such list": ("get", f"{CHAT}/jobs?state=odd", b"", None, 400, "invalid_input", "query/state"),
    "no cursor": ("get", f"{CHAT}/jobs?cursor=xyz", b"", None, 400, "invalid_input", "cursor"),
    "no search": ("get", "/api/v1/search?q=queu:chat", b"", None, 400, "invalid_input", "queue:"),
    "no connection": ("get", "/api/v1/queues?connection=nowhere", b"", None, 404, "not_found", "nowhere"),
    "no queue": ("get", "/api/v1/queues/nowhere", b"", None, 404, "queue_not_found", "nowhere"),
    "no path": ("get", "/api/v1/nothing", b"", None, 404, "not_found", ""),
    "no method": ("put", CHAT, b"", None, 405, "method_not_allowed", "GET"),
    "not delayed": ("post", f"{CHAT}/jobs/1/promote", b"", None, 409, "job_state_changed", "promoted"),
    "masked": ("patch", f"{CHAT}/jobs/1", '{"data": {"a": "•••"}}'.encode(), None, 400, "invalid_input", "masked"),
    "nothing to change": ("patch", f"{CHAT}/jobs/1", b"{}", None, 400, "invalid_input", "priority"),
    "two targets": (
        "post", "/api/v1/operations/preview", b'{"action": "retry", "target": {"search": "x", "group": 1}}',
        None, 400, "invalid_input", "one way"),
}  # fmt: skip


@pytest.fixture
async def chat(connection) -> list[str]:
    return await plant_waiting(connection, "chat", 3)


async def test_whatever_is_refused_is_a_problem_with_its_place(admin, chat):
    for case, (method, path, body, kind, status, code, word) in REFUSED.items():
        more = {"content_type": kind or "application/json"} if method != "get" else {}
        answer = await getattr(admin, method)(path, *([body] if method != "get" else []), **more)
        assert answer["Content-Type"] == "application/problem+json", case
        told = answer.json()
        assert (answer.status_code, told["status"], told["code"]) == (status, status, code), (case, told)
        assert word in json.dumps(told, ensure_ascii=False), (case, told)
        assert "hunter2" not in answer.content.decode()
    assert not await AuditEntry.objects.filter(outcome="done").aexists()


async def test_what_changes_something_asks_a_session_for_its_token(chat):
    admin = await signed_in("careful", is_superuser=True)
    admin.handler.enforce_csrf_checks = True
    refused = await sent(admin, "post", f"{CHAT}/pause")
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert (await sent(admin, "get", CHAT)).json()["is_paused"] is False


async def test_lists_are_paged_by_cursor_whatever_comes_meanwhile(admin, connection, chat):
    queues = [await plant_waiting(connection, name) and name for name in ("a", "b/ö", "c")]
    seen, cursor = [], ""
    while cursor is not None:
        page = (await sent(admin, "get", f"{CHAT}/jobs?limit=1&cursor={cursor}")).json()
        assert page["total"] >= 3
        seen += [job["id"] for job in page["items"]]
        if len(seen) == 1:
            await sent(admin, "delete", f"{CHAT}/jobs/{seen[0]}")
            await plant_waiting(connection, "chat", 1)
        cursor = page["next"]
    assert seen == [*chat, "4"]
    other = (await sent(admin, "get", f"{CHAT}/jobs?limit=1")).json()["next"]
    assert (await sent(admin, "get", f"{CHAT}/jobs?state=failed&cursor={other}")).status_code == 400
    first = (await sent(admin, "get", "/api/v1/queues?limit=3")).json()
    rest = (await sent(admin, "get", f"/api/v1/queues?limit=3&cursor={first['next']}")).json()
    assert [queue["name"] for queue in first["items"] + rest["items"]] == sorted([*queues, "chat"])
    assert (await sent(admin, "get", "/api/v1/queues/b%2F%C3%B6")).json()["name"] == "b/ö"


async def test_the_newest_are_paged_though_the_one_that_a_page_ended_with_is_removed(admin, connection, chat):
    seen, cursor = [], ""
    while cursor is not None and len(seen) < 9:
        page = (await sent(admin, "get", f"{CHAT}/jobs?limit=1&order=last&cursor={cursor}")).json()
        seen += [job["id"] for job in page["items"]]
        await sent(admin, "delete", f"{CHAT}/jobs/{seen[-1]}")
        if len(seen) == 2:
            await plant_waiting(connection, "chat", 1)
        cursor = page["next"]
    assert seen == chat[::-1]


async def test_whoever_changes_a_queue_is_told_of_it_as_it_is_then(admin, chat):
    assert (await sent(admin, "get", "/api/v1/queues")).json()["items"][0]["is_paused"] is False
    for verb, is_paused in (("pause", True), ("resume", False)):
        assert (await sent(admin, "post", f"{CHAT}/{verb}")).status_code == 200
        (listed,) = (await sent(admin, "get", "/api/v1/queues")).json()["items"]
        assert [listed["is_paused"], (await sent(admin, "get", CHAT)).json()["is_paused"]] == [is_paused] * 2
    assert (await sent(admin, "put", f"{CHAT}/schedulers/s", {"every_ms": 60_000})).status_code == 201
    (scheduler,) = (await sent(admin, "get", "/admin/queues/api/job-schedulers")).json()["schedulers"]
    assert scheduler["id"] == "s"
    missing = await sent(admin, "delete", f"{CHAT}/schedulers/none")
    assert (missing.status_code, "has no scheduler" in missing.json()["detail"]) == (404, True)


async def test_the_same_key_adds_once_and_tells_the_same(admin, operator, connection, client_of_redis, prefix):
    body = {"name": "pay", "data": {"n": 1}}
    answers = await asyncio.gather(*(sent(admin, "post", f"{CHAT}/jobs", body, Idempotency_Key="k") for _ in range(4)))
    told = [answer for answer in answers if answer.status_code == 201]
    assert told
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = await sent(admin, "post", f"{CHAT}/jobs", body, Idempotency_Key='"k"')
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert again.json() == told[0].json()
    other = await sent(admin, "post", f"{CHAT}/jobs", body | {"data": 2}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await sent(operator, "post", f"{CHAT}/jobs", body, Idempotency_Key="k")).status_code == 201
    assert client_of_redis.llen(f"{prefix}:chat:wait") == 2
    # The process died before it could keep its answer: the id knows the job again.
    await ApiAnswer.objects.aupdate(status=None, begun_at="2020-01-01T00:00Z")
    late = await sent(admin, "post", f"{CHAT}/jobs", body, Idempotency_Key="k")
    assert (late.status_code, late.json()["id"], late.json()["is_new"]) == (200, told[0].json()["id"], False)
    many = {"jobs": [{"name": "a"}, {"name": "b"}]}
    batches = [await sent(admin, "post", f"{CHAT}/batches", many, Idempotency_Key="m") for _ in range(2)]
    assert [answer.json() for answer in batches] == [batches[0].json()] * 2
    assert client_of_redis.llen(f"{prefix}:chat:wait") == 4
    # A refused request leaves the key free.
    assert (await sent(admin, "post", "/api/v1/queues/a%3A/jobs", body, Idempotency_Key="f")).status_code == 400
    assert (await sent(admin, "post", f"{CHAT}/jobs", body, Idempotency_Key="f")).status_code == 201
    assert (await sent(admin, "post", f"{CHAT}/jobs", body, Idempotency_Key="x" * 300)).status_code == 400


async def test_a_queue_that_is_not_seen_is_nowhere_and_what_jobs_carry_is_for_who_may_read_it(
    admin, connection, client_of_redis, prefix
):
    secret = "hunter2hunter2"
    plant_failed(client_of_redis, prefix, "chat", 1, reason=f"password={secret}")
    await plant_waiting(connection, "hidden")
    seer = await signed_in("seer")
    await QueueGrant.objects.acreate(user_id=(await _user("seer")).pk, queue="chat", abilities=["view"])
    assert [queue["name"] for queue in (await sent(seer, "get", "/api/v1/queues")).json()["items"]] == ["chat"]
    for path in ("", "/jobs", "/jobs/1", "/jobs/1/logs"):
        answer = await sent(seer, "get", f"/api/v1/queues/hidden{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "queue_not_found"), path
    assert (await sent(seer, "post", "/api/v1/queues/hidden/jobs", {"name": "x"})).status_code == 404
    assert (await sent(seer, "get", "/api/v1/search?q=queue:hidden")).json()["items"] == []
    (job,) = (await sent(seer, "get", f"{CHAT}/jobs?state=failed")).json()["items"]
    whole = (await sent(seer, "get", f"{CHAT}/jobs/{job['id']}")).json()
    assert (job["error"], whole["error"], whole["payload"]) == (None, None, None)
    assert (await sent(seer, "get", f"{CHAT}/jobs/{job['id']}/logs")).status_code == 403
    assert (await sent(seer, "post", f"{CHAT}/jobs/{job['id']}/retry")).status_code == 403
    for path in (f"{CHAT}/jobs?state=failed", f"{CHAT}/jobs/{job['id']}", "/api/v1/search?q=state:failed"):
        told = (await sent(admin, "get", path)).content.decode()
        assert secret not in told, path
        assert json.dumps("•••")[1:-1] in told, path


async def test_a_site_that_only_looks_changes_nothing_for_programs_either(admin, chat, settings):
    settings.TORIL = {**settings.TORIL, "READ_ONLY": True}
    reset_options()
    for method, path, body in (
        ("post", f"{CHAT}/jobs", {"name": "x"}), ("delete", f"{CHAT}/jobs/1", None), ("post", f"{CHAT}/pause", None),
        ("patch", f"{CHAT}/jobs/1", {"priority": 1}), ("post", f"{CHAT}/jobs/1/retry", {}),
    ):  # fmt: skip
        answer = await sent(admin, method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "read_only"), path


async def test_answers_are_compressed_and_tagged(admin, connection):
    await plant_waiting(connection, "chat", 30)
    answer = await sent(admin, "get", f"{CHAT}/jobs", Accept_Encoding="gzip")
    assert answer["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(answer.content))["items"]) == 30
    assert answer["ETag"].startswith('W/"')
    assert answer["Cache-Control"] == "private, no-cache"
    assert (await sent(admin, "get", f"{CHAT}/jobs", If_None_Match=f'"x", {answer["ETag"]}')).status_code == 304
    assert (await admin.head(f"{CHAT}/jobs")).status_code == 200


async def test_a_job_is_retried_promoted_and_searched_for(admin, connection, client_of_redis, prefix):
    (failed,) = plant_failed(client_of_redis, prefix, "chat", 1)
    (delayed,) = await plant_delayed(connection, "chat", 1)
    retried = await sent(admin, "post", f"{CHAT}/jobs/{failed}/retry", {"reset_attempts": True})
    assert (retried.status_code, retried.json()["state"]) == (200, "waiting"), retried.content
    assert (await sent(admin, "patch", f"{CHAT}/jobs/{delayed}", {"due_ms": 2**41 - 1})).json()["state"] == "delayed"
    assert (await sent(admin, "post", f"{CHAT}/jobs/{delayed}/promote")).json()["state"] == "waiting"
    await plant_delayed(connection, "other", 1)
    found = (await sent(admin, "get", f"{CHAT}/jobs?search=name:later")).json()
    assert [(job["queue"], job["id"]) for job in found["items"]] == [("chat", delayed)]
    assert (await sent(admin, "get", f"{CHAT}/jobs?search=name:later&state=failed")).json()["items"] == []
    suggested = (await sent(admin, "get", "/api/v1/search/suggestions?q=sta")).json()
    assert {"text": "state:", "label": "state:", "kind": "field"} in suggested
    assert (await sent(admin, "post", f"{CHAT}/jobs/{delayed}/cancel")).json()["code"] == "not_running"


async def test_the_document_knows_each_route_and_declares_each_answer(admin):
    from dashboard.api.v1.urls import urlpatterns

    answer = await sent(admin, "get", "/api/v1/openapi.json")
    told = answer.json()
    assert told["openapi"] == "3.1.0"
    routes = {str(pattern.pattern).replace("segment:", "").replace("int:", "") for pattern in urlpatterns}
    known = {path.replace("{", "<").replace("}", ">").strip("/") for path in told["paths"]}
    assert routes - known == {"openapi.json", "docs"}
    assert known <= routes
    operations = [each for methods in told["paths"].values() for each in methods.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    for each in operations:
        assert {"400", "401", "403", "404", "429", "502", "503"} <= set(each["responses"]), each["operationId"]
        assert each["summary"]
        assert any(name["name"] == "connection" for name in each["parameters"])


def test_no_two_shapes_share_a_name():
    """The document knows them by their names alone: one would silently stand for the other."""
    found: dict[str, set[str]] = {}
    for module in pkgutil.iter_modules(v1.__path__):
        for name, value in vars(importlib.import_module(f"{v1.__name__}.{module.name}")).items():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__.startswith(v1.__name__):
                found.setdefault(name, set()).add(value.__module__)
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


async def test_the_page_of_the_api_draws_every_request_and_asks_for_a_session(admin, anonymous, connection):
    page = (await admin.get("/api/v1/docs")).content.decode()
    told = (await sent(admin, "get", "/api/v1/openapi.json")).json()
    for methods in told["paths"].values():
        for each in methods.values():
            assert f'id="{each["operationId"]}"' in page
    assert " style=" not in page
    assert "onclick" not in page
    away = await anonymous.get("/api/v1/docs")
    assert (away.status_code, away["Location"]) == (302, "/sign-in?next=%2Fapi%2Fv1%2Fdocs")


async def _user(name):
    from django.contrib.auth.models import User

    return await User.objects.aget(username=name)
