"""The real Bull Board and our routes of it on one Redis, asked the same: what it answers, ours answers, and more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from queues.options import reset_options
from tests.interop.board import BullBoard
from tests.mirroring import start
from tests.planting import plant_failed
from tests.web.browser import Browser
from tests.web.conftest import signed_in

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]

ODD, ODD_ID = "a b/ü?#%25[*]", "id /?#%&'\"<img>"
QUEUES = sorted(["ours", "theirs", ODD, "Emails.Welcome", "flows", "children"])
#: What differs from moment to moment, and where our words differ on purpose.
MOVING = {"age", "uptime", "used", "peak", "fragmentationRatio", "connected", "blocked", "total", "timestamp"}


@pytest.fixture(scope="module")
def board_of(redis_server) -> Iterator[Any]:
    opened: list[BullBoard] = []

    def of(prefix: str) -> BullBoard:
        opened.append(BullBoard(redis_server.port, prefix, QUEUES))
        return opened[-1]

    yield of
    for board in opened:
        board.close()


#: Each changes nothing, here and there.
REFUSED: list[tuple[str, str, Any]] = [
    ("GET", "/queues?status=bogus", None),
    ("GET", "/queues?jobsPerPage=301", None),
    ("GET", "/queues?page=0", None),
    ("GET", "/queues?page=x&jobsPerPage=", None),
    ("GET", "/queues/nowhere/1", None),
    ("GET", "/queues/ours/nowhere", None),
    ("GET", "/queues/nowhere/workers", None),
    ("GET", "/queues/ours/nowhere/flow", None),
    ("GET", "/queues/ours/nowhere/logs", None),
    ("PUT", "/queues/nowhere/pause", None),
    ("PUT", "/queues/ours/retry/delayed", None),
    ("PUT", "/queues/ours/obliterate", {}),
    ("PUT", "/queues/ours/obliterate", {"force": "yes"}),
    ("PUT", "/queues/ours/concurrency", {"concurrency": -1}),
    ("PUT", "/queues/ours/concurrency", {"concurrency": 1.5}),
    ("PUT", "/queues/ours/concurrency", {}),
    ("PUT", "/queues/ours/rate-limit", {"max": 0, "duration": 5}),
    ("PUT", "/queues/ours/rate-limit", {"max": 5}),
    ("PUT", "/queues/ours/nowhere/retry", None),
    ("PUT", "/queues/ours/nowhere/clean", None),
    ("PATCH", "/queues/ours/nowhere/update-data", {"jobData": 1}),
    ("PATCH", "/queues/ours/1/delay", {"runAt": "soon"}),
    ("PATCH", "/queues/ours/1/delay", {}),
    ("PATCH", "/queues/ours/1/delay", {"runAt": 5}),
    ("PATCH", "/queues/ours/1/priority", {"priority": 2_097_152}),
    ("PATCH", "/queues/ours/1/priority", {"priority": "1"}),
    ("PUT", "/queues/ours/1/remove-unprocessed-children", None),
    ("PUT", "/queues/ours/job-schedulers/nowhere/remove", None),
    ("PUT", "/queues/ours/job-schedulers/nowhere/run", None),
    ("PATCH", "/queues/ours/job-schedulers/nowhere", {"every": 1000}),
    ("PATCH", "/queues/ours/job-schedulers/beat", {}),
    ("PATCH", "/queues/ours/job-schedulers/beat", {"every": 1000, "pattern": "* * * * *"}),
    ("PATCH", "/queues/ours/job-schedulers/beat", {"every": "x"}),
    ("PATCH", "/queues/ours/job-schedulers/beat", {"every": -5}),
    ("PATCH", "/queues/ours/job-schedulers/beat", {"pattern": "never"}),
    ("PATCH", "/queues/ours/job-schedulers/beat", {"every": 1000, "limit": 0}),
    ("PATCH", "/queues/ours/job-schedulers/beat", {"every": 1000, "endDate": 5}),
    ("POST", "/queues/ours/add", {"name": 5}),
]


def by_id(told: Any) -> Any:
    """Children of a flow stand in a set: in no order."""
    if isinstance(told, dict):
        ordered = {name: by_id(value) for name, value in told.items()}
        if isinstance(told.get("children"), list):
            ordered["children"] = sorted(map(by_id, told["children"]), key=lambda child: child["id"])
        return ordered
    return told


class Both:
    """Asks both alike; `their` address and `our` browser."""

    def __init__(self, board: BullBoard, browser: Browser) -> None:
        self.client, self.browser = httpx.AsyncClient(base_url=f"{board.address}/api"), browser

    async def theirs(self, method: str, path: str, sent: Any = None) -> tuple[int, Any]:
        answer = await self.client.request(method, path.lstrip("/"), json=sent)
        return answer.status_code, _read(answer.content)

    async def ours(self, method: str, path: str, sent: Any = None) -> tuple[int, Any]:
        content = {} if sent is None else {"data": json.dumps(sent), "content_type": "application/json"}
        answer = await getattr(self.browser, method.lower())(f"/admin/queues/api{path}", **content)
        return answer.status_code, _read(answer.content)

    async def each(self, method: str, path: str, sent: Any = None) -> tuple[tuple[int, Any], tuple[int, Any]]:
        return await self.theirs(method, path, sent), await self.ours(method, path, sent)

    async def same(self, path: str, **query: Any) -> Any:
        """GET from both; every difference is told."""
        asked = path + (f"?{urlencode(query)}" if query else "")
        theirs, ours = await self.theirs("GET", asked), await self.ours("GET", asked)
        assert ours[0] == theirs[0], (asked, theirs, ours)
        found = list(differences(theirs[1], ours[1]))
        assert not found, f"{asked}: " + "; ".join(found)
        return ours[1]


def _read(content: bytes) -> Any:
    return json.loads(content) if content else None


def differences(theirs: Any, ours: Any, at: str = "") -> Iterator[str]:
    """What of theirs is not in ours; what ours has beside it is no difference."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name, value in theirs.items():
            if name not in ours:
                yield f"{at}.{name} is missing: {value!r}"
            elif name not in MOVING:
                yield from differences(value, ours[name], f"{at}.{name}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for number, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(*pair, f"{at}[{number}]")
    elif theirs != ours or type(theirs) is not type(ours):
        yield f"{at}: {theirs!r} != {ours!r}"


@pytest.fixture
async def both(connection, prefix, settings, board_of, node, client_of_redis, transactional_db) -> AsyncIterator[Both]:
    """Seeded: two queues alike, one with an odd name, flows, schedulers, limits."""
    settings.TORIL = {**settings.TORIL, "DASHBOARD": {"delimiter": ""}}
    reset_options()
    for name in ("ours", "theirs"):
        plant_failed(client_of_redis, prefix, name, 3, reason="SMTP 550 <b>no</b>")
        await node("add", JOBS, queue=name)
        for schedule in SCHEDULES:
            await node("ask", [["upsertJobScheduler", *schedule]], queue=name)
    await node("add", JOBS[:2], queue=ODD)
    await node(
        "ask", [["setGlobalConcurrency", 4], ["setGlobalRateLimit", 10, 60_000], ["pause"]], queue="Emails.Welcome"
    )
    await node("flow", FLOW, queue="flows")
    opened = Both(board_of(prefix), await signed_in("boss", is_superuser=True))
    yield opened
    await opened.client.aclose()


JOBS = [
    {"name": "plain", "data": {"to": "née 😀", "n": 1.5, "list": [1, None, True]}, "opts": {}},
    {"name": "", "data": None, "opts": {"jobId": ODD_ID, "attempts": 3, "backoff": 500}},
    {"name": "later", "data": 7, "opts": {"delay": 3_600_000, "keepLogs": 5}},
    {"name": "first", "data": "text", "opts": {"priority": 5, "removeOnComplete": {"age": 60, "count": 3}}},
    {"name": "second", "data": {}, "opts": {"priority": 9, "lifo": True, "deduplication": {"id": "one"}}},
    {"name": "latest", "data": {}, "opts": {"delay": 7_200_000}},
]
SCHEDULES = [
    ["nightly", {"pattern": "0 3 * * *", "tz": "Europe/Paris"}, {"name": "report", "data": {"kind": "nightly"}}],
    ["beat", {"every": 3_600_000, "limit": 50}, {"name": "tick", "opts": {"attempts": 2, "keepLogs": 3}}],
]
FLOW = {
    "name": "parent", "queueName": "flows", "data": {"batch": 7}, "opts": {"jobId": "root"},
    "children": [
        {"name": "a", "queueName": "children", "data": {}, "opts": {"jobId": "a"}},
        {"name": "b", "queueName": "children", "data": {}, "opts": {"jobId": "b", "delay": 3_600_000}},
        {"name": "c", "queueName": "flows", "data": {}, "opts": {"jobId": "c"}, "children": [
            {"name": "d", "queueName": "children", "data": {}, "opts": {"jobId": "d", "failParentOnFailure": True}},
        ]},
    ],
}  # fmt: skip


async def test_what_is_read_is_what_bull_board_reads(both):
    await both.same("/queues")
    for status in ("latest", "waiting", "failed", "delayed", "prioritized", "waiting-children", "paused"):
        for queue in ("ours", "flows"):
            await both.same("/queues", activeQueue=queue, status=status, jobsPerPage=2)
    await both.same("/queues", activeQueue="ours", status="failed", page=2, jobsPerPage=2)
    await both.same("/queues", activeQueue=quote(ODD), status="waiting")
    for queue in ("ours", ODD, "Emails.Welcome"):
        for what in ("metrics", "default-job-options", "workers", "rate-limit", "job-data-schema"):
            await both.same(f"/queues/{quote(queue, safe='')}/{what}")
    for asked in ({}, {"queueName": "ours"}, {"queueName": quote(ODD)}, {"queueName": "nowhere"}):
        await both.same("/job-schedulers", **asked)
    await both.same("/redis/stats")
    await jobs_and_flows_are_read_alike(both)
    for method, path, sent in REFUSED:
        theirs, ours = await both.each(method, path, sent)
        assert ours[0] == theirs[0], (method, path, sent, theirs, ours)
        assert not list(differences(theirs[1], ours[1])), (method, path, sent, theirs, ours)


async def jobs_and_flows_are_read_alike(both):
    at = f"/queues/{quote(ODD, safe='')}/{quote(ODD_ID, safe='')}"
    for path in (at, f"{at}/logs", f"{at}/flow", "/queues/ours/1", "/queues/ours/1/flow", "/queues/ours/1/logs"):
        await both.same(path)
    for queue, job_id in (("flows", "root"), ("flows", "c"), ("children", "d"), ("children", "a")):
        for asked in ({}, {"root": "node"}, {"depth": 1}, {"depth": 2}, {"maxChildren": 1000}, {"depth": "x"}):
            theirs, ours = await both.each("GET", f"/queues/{queue}/{job_id}/flow?{urlencode(asked)}")
            assert not list(differences(by_id(theirs[1]), by_id(ours[1]))), (queue, job_id, asked)


#: Of `{q}` each does its own: after each both queues stand alike. `{active}` is a job that runs.
STEPS: list[tuple[str, str, Any]] = [
    ("PUT", "/queues/{q}/pause", None),
    ("PUT", "/queues/{q}/resume", {}),
    ("POST", "/queues/{q}/add", {"name": "n1", "data": {"a": [1.5, "é"]}, "options": {"delay": 99_999_999}}),
    ("POST", "/queues/{q}/add", {}),
    ("POST", "/queues/{q}/add", {"data": 5, "options": {"priority": 3, "backoff": 5, "attempts": 2, "jobId": "own"}}),
    ("PUT", "/queues/{q}/6/promote", None),
    ("PUT", "/queues/{q}/1/retry", None),
    ("PUT", "/queues/{q}/1/retry", None),
    ("PATCH", "/queues/{q}/7/update-data", {"jobData": {"new": [None, {}]}}),
    ("PATCH", "/queues/{q}/9/delay", {"runAt": 2_000_000_000_000}),
    ("PATCH", "/queues/{q}/9/delay", {"runAt": -5}),
    ("PATCH", "/queues/{q}/own/priority", {"priority": 7}),
    ("PUT", "/queues/{q}/2/clean", None),
    ("PUT", "/queues/{q}/2/clean", None),
    ("PUT", "/queues/{q}/{active}/clean", None),
    ("PUT", "/queues/{q}/{active}/retry", None),
    ("PUT", "/queues/{q}/{nightly}/clean", None),
    ("PUT", "/queues/{q}/job-schedulers/nightly/run", None),
    ("PATCH", "/queues/{q}/job-schedulers/nightly", {"pattern": "0 4 * * *", "tz": "Asia/Tokyo", "limit": 9}),
    ("PATCH", "/queues/{q}/job-schedulers/beat", {"every": "7200000", "endDate": 2_000_000_000_000}),
    ("PUT", "/queues/{q}/job-schedulers/nightly/remove", None),
    ("PUT", "/queues/{q}/concurrency", {"concurrency": 3}),
    ("PUT", "/queues/{q}/rate-limit", {"max": 5, "duration": 1_000}),
    ("PUT", "/queues/{q}/rate-limit/release", None),
    ("PUT", "/queues/{q}/concurrency", {"concurrency": 0}),
    ("PUT", "/queues/{q}/rate-limit", {"max": None}),
    ("PUT", "/queues/flows/{root}/remove-unprocessed-children", None),
    ("PUT", "/queues/flows/{root}/remove-unprocessed-children", None),
    ("PUT", "/queues/{q}/retry/failed", None),
    ("PUT", "/queues/{q}/retry/completed", None),
    ("PUT", "/queues/{q}/clean/failed", None),
    ("PUT", "/queues/{q}/clean/wait", None),
    # Emptied while a scheduler's run waits, Bull Board's queue keeps a ghost of it, and ours the run.
    ("PUT", "/queues/{q}/job-schedulers/beat/remove", None),
    ("PUT", "/queues/{q}/promote", None),
    ("PUT", "/queues/{q}/empty", None),
    ("PUT", "/queues/{q}/pause", None),
    ("PUT", "/queues/{q}/obliterate", {}),
    ("PUT", "/queues/{q}/obliterate", {"force": True}),
]


async def test_what_is_done_is_what_bull_board_does(both, connection, node):
    for queue, root in (("theirs", "theirs"), ("ours", "ours")):
        assert len(await start(connection, queue)) == 1
        await node("flow", {**FLOW, "opts": {"jobId": root}, "children": [
            {"name": "a", "queueName": "children", "data": {}, "opts": {"jobId": f"{root}-a"}},
            {"name": "b", "queueName": "children", "data": {}, "opts": {"jobId": f"{root}-b", "delay": 3_600_000}},
        ]})  # fmt: skip
    (active,) = [job["id"] for job in await jobs_of(both, "theirs", "active")]
    names = {"active": active, "nightly": f"repeat:nightly:{await next_of(both)}"}
    for method, path, sent in STEPS:
        theirs = await both.theirs(method, path.format(q="theirs", root="theirs", **names), sent)
        ours = await both.ours(method, path.format(q="ours", root="ours", **names), sent)
        assert ours[0] == theirs[0], (method, path, sent, theirs, ours)
        assert not list(differences(theirs[1], ours[1])), (method, path, sent, theirs, ours)
        stood = [await standing(both, queue) for queue in ("theirs", "ours")]
        assert not list(differences(*stood)), (method, path, sent)
    for action, is_paused in (("pause", True), ("resume", False)):
        assert await both.ours("PUT", f"/queues/{action}") == (200, {})
        told = (await both.theirs("GET", "/queues"))[1]["queues"]
        assert {queue["isPaused"] for queue in told if queue["name"] not in ("ours", "theirs")} == {is_paused}
    assert (await both.ours("PUT", "/queues/flows/clean/bogus"))[0] == 400


async def standing(both: Both, queue: str) -> Any:
    """As Bull Board tells of it, but for the moments of its jobs."""
    told = (await both.theirs("GET", f"/queues?activeQueue={queue}&jobsPerPage=100"))[1]["queues"]
    (found,) = [one for one in told if one["name"] == queue]
    jobs = [without_moments(job) for job in found.pop("jobs")]
    schedulers = (await both.theirs("GET", f"/job-schedulers?queueName={queue}"))[1]["schedulers"]
    del found["name"]
    return {**found, "jobs": jobs, "schedulers": [without_moments(one) for one in schedulers]}


def without_moments(told: dict[str, Any]) -> dict[str, Any]:
    moments = ("timestamp", "processedOn", "finishedOn", "delay", "next", "nextRunJobId", "queueName", "stacktrace")
    kept = {name: value for name, value in told.items() if name not in moments}
    if str(told.get("id")).startswith("repeat:beat:"):
        return {"name": told["name"]}
    return {**kept, "opts": sorted(told["opts"])} if "opts" in told else kept


async def jobs_of(both: Both, queue: str, status: str) -> list[dict[str, Any]]:
    told = (await both.theirs("GET", f"/queues?activeQueue={queue}&status={status}"))[1]["queues"]
    return next(one["jobs"] for one in told if one["name"] == queue)


async def next_of(both: Both) -> int:
    told = (await both.theirs("GET", "/job-schedulers?queueName=theirs"))[1]["schedulers"]
    return next(one["next"] for one in told if one["id"] == "nightly")
