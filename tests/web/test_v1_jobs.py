"""Toril's own API: a job's way through it, from the add to the removal."""

from __future__ import annotations

import json

import pytest

from queues.models import AuditEntry

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
