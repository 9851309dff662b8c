"""Toril's own API: a job's way through it, from the add to the removal."""

from __future__ import annotations

import json

import pytest

from queues.models import AuditEntry
from tests.planting import plant_waiting

pytestmark = pytest.mark.django_db(transaction=True)
CHAT = "/api/v1/queues/chat"


async def sent(browser, method: str, path: str, body=None, **headers):
    """As a program does that holds a session: JSON, with the CSRF token of a test client (which needs none)."""
    ask = getattr(browser, method)
    more = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}
    if method == "get":
        return await ask(path, **more)
    data = b"" if body is None else json.dumps(body).encode()
    return await ask(path, data, content_type="application/json", **more)


async def test_a_job_goes_its_way_through_the_api(admin, connection):
    added = await sent(admin, "post", f"{CHAT}/jobs", {"name": "sum", "data": {"n": 1, "password": "hunter2"}})
    assert added.status_code == 201, added.content
    assert added["Content-Type"].startswith("application/json")
    job_id = added.json()["id"]
    found = await sent(admin, "get", f"{CHAT}/jobs/{job_id}")
    assert found.status_code == 200, found.content
    told = found.json()
    assert (told["name"], told["state"], told["payload"]["data"]) == ("sum", "waiting", {"n": 1, "password": "•••"})
    again = await sent(admin, "get", f"{CHAT}/jobs/{job_id}", If_None_Match=found["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    changed = await sent(
        admin, "patch", f"{CHAT}/jobs/{job_id}", {"data": {"n": 2}, "priority": 7}, If_Match=found["ETag"]
    )
    assert changed.status_code == 200, changed.content
    late = await sent(admin, "patch", f"{CHAT}/jobs/{job_id}", {"data": {"n": 3}}, If_Match=found["ETag"])
    assert late.status_code == 412, late.content
    told = (await sent(admin, "get", f"{CHAT}/jobs/{job_id}")).json()
    assert (told["payload"]["data"], told["priority"], told["state"]) == ({"n": 2}, 7, "prioritized")
    listed = (await sent(admin, "get", f"{CHAT}/jobs?state=prioritized")).json()
    assert [job["id"] for job in listed["items"]] == [job_id]
    removed = await sent(admin, "delete", f"{CHAT}/jobs/{job_id}")
    assert removed.status_code == 200, removed.content
    gone = await sent(admin, "get", f"{CHAT}/jobs/{job_id}")
    assert (gone.status_code, gone["Content-Type"]) == (404, "application/problem+json")
    assert gone.json()["code"] == "job_not_found"
    actions = [entry.action async for entry in AuditEntry.objects.order_by("pk")]
    assert actions == ["job.add", "job.edit", "job.reprioritize", "job.remove"]


async def test_whatever_is_stored_has_a_shape(admin, connection, client_of_redis, prefix):
    (job_id,) = await plant_waiting(connection, "chat", 1)
    deep = "[" * 5_000 + "]" * 5_000
    large = json.dumps({"text": "x" * 100_000, "password": "hunter2hunter2"})
    cases = {
        "no JSON {": "no JSON {", "NaN": "NaN", "[1e400]": "[1e400]", deep: deep, "null": None,
        '"\\ud800"': '"\\ud800"',
        '{"password": 12345678}': {"password": "•••"}, large: {"text": "x" * 100_000, "password": "•••"},
    }  # fmt: skip
    for stored, told in cases.items():
        client_of_redis.hset(f"{prefix}:chat:{job_id}", "data", stored)
        answer = await sent(admin, "get", f"{CHAT}/jobs/{job_id}")
        assert answer.status_code == 200, (stored[:40], answer.content[:300])
        assert answer.json()["payload"]["data"] == told, stored[:40]
    client_of_redis.hset(f"{prefix}:chat:{job_id}", "data", json.dumps("x" * 300_000))
    payload = (await sent(admin, "get", f"{CHAT}/jobs/{job_id}")).json()["payload"]
    assert (payload["data"], payload["left_out"]) == (None, ["data"])
    client_of_redis.delete(f"{prefix}:chat:{job_id}")
    (listed,) = (await sent(admin, "get", f"{CHAT}/jobs")).json()["items"]
    assert listed["problems"] == ["its hash is gone: only the id is left in the list"]
