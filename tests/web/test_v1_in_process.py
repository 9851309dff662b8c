"""Toril's own API where jobs run in the process that adds them: the same answers, from rows."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.inprocess import in_process, running  # noqa: F401
from tests.web.test_in_process_pages import own  # noqa: F401
from tests.web.test_v1_jobs import CHAT, sent

pytestmark = pytest.mark.usefixtures("in_process")


async def test_a_job_is_added_run_found_and_retried_without_a_redis(admin, own):  # noqa: F811
    async def fails(job):
        await job.log("tried; password=hunter2hunter2")
        raise TimeoutError("no answer")

    own.processor("chat")(fails)
    async with running(registry=own):
        body = {"name": "sum", "data": {"n": 1}}
        added = await sent(admin, "post", f"{CHAT}/jobs", body, Idempotency_Key="k")
        assert added.status_code == 201, added.content
        address = f"{CHAT}/jobs/{added.json()['id']}"

        async def failed():
            return (await sent(admin, "get", address)).json()["state"] == "failed"

        await eventually(failed)
        told = (await sent(admin, "get", address)).json()
        assert (told["connection"], told["payload"]["data"], told["error"]) == ("default", {"n": 1}, "no answer")
        (line,) = (await sent(admin, "get", f"{address}/logs")).json()["items"]
        assert line == {"number": 1, "text": "tried; password=•••"}
        (listed,) = (await sent(admin, "get", f"{CHAT}/jobs?state=failed")).json()["items"]
        (found,) = (await sent(admin, "get", "/api/v1/search?q=state:failed")).json()["items"]
        assert [listed["id"], found["id"], found["connection"]] == [told["id"], told["id"], "default"]
        assert (await sent(admin, "get", f"{CHAT}/jobs?search=name:other")).json()["items"] == []

        async def counted():
            """Figures that all share may be a second old."""
            (queue,) = (await sent(admin, "get", "/api/v1/queues")).json()["items"]
            return (queue["name"], queue["counts"]["failed"]) == ("chat", 1)

        await eventually(counted)
        assert (await sent(admin, "post", f"{address}/retry")).status_code == 200
        await eventually(failed)
        begun = {"action": "retry", "target": {"queues": ["chat"], "states": ["failed"]}}
        preview = await sent(admin, "post", "/api/v1/operations/preview", begun)
        assert preview.json()["why_not"].startswith("Operations are for jobs in Redis")
        for path, asked in (("/api/v1/operations", begun), (f"{address}/cancel", {})):
            refused = await sent(admin, "post", path, asked)
            assert (refused.status_code, refused.json()["code"]) == (409, "refused"), refused.content
        assert (await sent(admin, "get", "/api/v1/queues?connection=other")).status_code == 404


@pytest.mark.parametrize("order", ["first", "last"])
async def test_pages_neither_repeat_nor_skip_what_stays_without_a_redis(admin, order):
    ids = [(await sent(admin, "post", f"{CHAT}/jobs", {"name": "n"})).json()["id"] for _ in range(6)]
    seen, cursor = [], ""
    while cursor is not None and len(seen) < 9:
        page = (await sent(admin, "get", f"{CHAT}/jobs?limit=2&order={order}&cursor={cursor}")).json()
        seen += [job["id"] for job in page["items"]]
        if len(seen) == 4:
            for gone in seen[1:]:
                await sent(admin, "delete", f"{CHAT}/jobs/{gone}")
        cursor = page["next"]
    assert seen == (ids if order == "first" else ids[::-1])
