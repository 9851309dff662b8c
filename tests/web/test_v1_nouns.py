"""Toril's own API: schedulers, flows, workers and figures over time."""

from __future__ import annotations

import json
import time

import pytest
from django.contrib.auth.models import User

from dashboard.api.v1.document import document
from dashboard.models import QueueGrant
from queues.lookups import fleet as shared
from queues.models import AuditEntry, Deploy, Sample, Series
from queues.models.sample import MINUTE_S, WORKERS
from queues.protocol import fleet as protocol
from queues.protocol.connections import prefix as prefix_of
from queues.protocol.connections import wire
from queues.protocol.fleet import Beat, RunningJob, Share, beat_commands
from queues.protocol.keys import FleetKeys
from tests.eventually import eventually
from tests.inprocess import in_process  # noqa: F401
from tests.planting import plant_waiting
from tests.web.conftest import signed_in_on
from tests.web.test_v1_jobs import sent
from tests.working import operating, working

pytestmark = pytest.mark.django_db(transaction=True)
V1 = "/api/v1"
DAILY = f"{V1}/queues/chat/schedulers/daily%2Freport"
SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch):
    """And nobody who was heard before the test began is forgotten in it, however slow the machine is."""
    monkeypatch.setattr(shared, "FRESH_S", 0.0)
    monkeypatch.setattr(protocol, "KEPT_S", 36_000.0)


async def ask(browser, method: str, path: str, body=None, status: int = 200, **headers):
    answer = await sent(browser, method, path if path.startswith(V1) else V1 + path, body, **headers)
    assert answer.status_code == status, (path, answer.status_code, answer.content)
    return answer.json()


async def seeing(*queues: str, abilities=("view",)):
    """Somebody who holds these abilities there alone."""
    return await signed_in_on("someone", *queues, abilities=abilities)


async def recorded() -> list[str]:
    return [entry.action async for entry in AuditEntry.objects.order_by("pk")]


# --- schedulers


async def test_a_scheduler_goes_its_way_through_the_api(admin, connection):
    await plant_waiting(connection, "chat")
    rule = {"pattern": "0 6 * * *", "tz": "Europe/Madrid", "name": "report", "data": {"to": "ana", "password": SECRET}}
    made = await ask(admin, "put", DAILY, rule | {"options": {"attempts": 3}}, 201)
    assert "was added" in made["message"]
    one = await ask(admin, "get", DAILY)
    assert (one["id"], one["pattern"], one["tz"], one["every_ms"]) == (
        "daily/report",
        "0 6 * * *",
        "Europe/Madrid",
        None,
    )
    assert (one["standing"], one["name"], one["pause"]) == ("scheduled", "report", None)
    assert one["template"] == {"data": {"to": "ana", "password": "•••"}, "options": {"attempts": 3}}
    assert len(one["coming_ms"]) == 5
    assert one["coming_ms"][0] == one["next_ms"] > time.time() * 1000
    # What is absent stays, secrets too; what is masked is not stored.
    await ask(admin, "put", DAILY, {"every_ms": 3_600_000})
    one = await ask(admin, "get", DAILY)
    assert (one["every_ms"], one["pattern"], one["name"], one["template"]["data"]["to"]) == (
        3_600_000,
        None,
        "report",
        "ana",
    )
    assert SECRET in (await wire(connection).call(_template_of(connection))).decode()
    refused = await ask(admin, "put", DAILY, {"every_ms": 60_000, "data": one["template"]["data"]}, 400)
    assert "masked" in refused["detail"]
    job = await ask(admin, "post", f"{DAILY}/run", None, 201, Idempotency_Key="once")
    assert (await ask(admin, "post", f"{DAILY}/run", None, 201, Idempotency_Key="once"))["id"] == job["id"]
    assert (await ask(admin, "get", f"/queues/chat/jobs/{job['id']}"))["name"] == "report"
    until = int(time.time() * 1000) + 3_600_000
    await ask(admin, "post", f"{DAILY}/pause", {"until_ms": until})
    paused = (await ask(admin, "get", "/schedulers"))["items"][0]
    assert (paused["standing"], paused["next_ms"], paused["pause"]["until_ms"]) == ("paused", None, until)
    assert (paused["pause"]["by"], paused["pause"]["stays"]) == ("admin", True)
    await ask(admin, "post", f"{DAILY}/resume")
    await ask(admin, "delete", DAILY)
    gone = await ask(admin, "get", DAILY, status=404)
    assert gone["code"] == "scheduler_not_found"
    await ask(admin, "post", f"{DAILY}/restore")
    assert (await ask(admin, "get", DAILY))["every_ms"] == 3_600_000
    assert await recorded() == [
        "scheduler.add", "scheduler.edit", "scheduler.run", "scheduler.pause", "scheduler.resume", "scheduler.remove",
        "scheduler.restore",
    ]  # fmt: skip


def _template_of(connection):
    from queues.protocol.commands import command
    from queues.protocol.connections import keys

    return command("HGET", keys(connection, "chat")("repeat:daily/report"), "data")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "every_ms or pattern"),
        ({"every_ms": 1000, "pattern": "* * * * *"}, "every_ms or pattern"),
        ({"pattern": "every day"}, "pattern"),
        ({"pattern": "0 6 * * *", "tz": "Mars/Olympus"}, "Mars/Olympus"),
        ({"every_ms": 1000, "end_ms": 5}, "end"),
        ({"every_ms": 0}, "every_ms"),
        ({"every_ms": 1000, "options": {"nonsense": 1}}, "nonsense"),
        ({"every_ms": 1000, "options": {"attempts": "many"}}, "attempts"),
        ({"every_ms": 1000, "evry": 1}, "evry"),
    ],
)
async def test_a_scheduler_that_cannot_be_says_why(admin, connection, body, named):
    await plant_waiting(connection, "chat")
    assert named in (await ask(admin, "put", DAILY, body, 400))["detail"]


async def test_schedulers_are_paged_and_only_those_that_are_seen(admin, connection):
    for queue in ("open", "shut"):
        await plant_waiting(connection, queue)
        for number in range(3):
            await ask(
                admin, "put", f"/queues/{queue}/schedulers/s{number}", {"every_ms": 60_000, "data": {"a": 1}}, 201
            )
    found, cursor = [], ""
    while True:
        page = await ask(admin, "get", f"/schedulers?limit=2{cursor}")
        found += [(one["queue"], one["id"]) for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == [(queue, f"s{number}") for queue in ("open", "shut") for number in range(3)]
    assert (page["found"], page["total"]) == (6, 6)
    other = await ask(admin, "get", f"/schedulers?limit=2&queue=open{cursor}", status=400)
    assert "cursor" in other["detail"]
    someone = await seeing("open", abilities=["view", "schedulers"])
    assert {one["queue"] for one in (await ask(someone, "get", "/schedulers"))["items"]} == {"open"}
    await ask(someone, "get", "/schedulers?queue=shut", status=404)
    await ask(someone, "get", "/queues/shut/schedulers/s0", status=404)
    await ask(someone, "delete", "/queues/shut/schedulers/s0", status=404)
    # Without the right to payloads: the rule may be changed, what jobs are made of is neither told nor overwritten.
    assert (await ask(someone, "get", "/queues/open/schedulers/s0"))["template"] is None
    await ask(someone, "put", "/queues/open/schedulers/s0", {"every_ms": 90_000})
    await ask(someone, "put", "/queues/open/schedulers/s0", {"every_ms": 90_000, "data": {}}, 403)
    one = await ask(admin, "get", "/queues/open/schedulers/s0")
    assert (one["every_ms"], one["template"]["data"]) == (90_000, {"a": 1})


async def test_a_viewer_changes_no_scheduler(viewer, connection):
    await plant_waiting(connection, "chat")
    asked = [("put", ""), ("delete", ""), *(("post", f"/{verb}") for verb in ("pause", "resume", "restore", "run"))]
    for method, path in asked:
        body = {"every_ms": 1000} if method == "put" else None
        assert (await ask(viewer, method, DAILY + path, body, 403))["code"] == "forbidden"
    assert await recorded() == []


# --- flows

TREE = {
    "queue": "reports",
    "name": "sum up",
    "children": [
        {"queue": "pages", "name": "fetch", "data": {"n": 1}, "children": [{"name": "parse"}]},
        {"queue": "pages", "name": "fetch", "data": {"password": SECRET}, "options": {"on_failure": "fail_parent"}},
    ],
}


async def test_a_flow_is_added_once_and_told_from_its_root_to_its_children(admin, connection):
    added = await ask(admin, "post", "/flows", TREE, 201, Idempotency_Key="flow-1")
    again = await ask(admin, "post", "/flows", TREE, 201, Idempotency_Key="flow-1")
    assert added == again
    assert [child["queue"] for child in added["children"]] == ["pages", "pages"]
    (parse,) = added["children"][0]["children"]
    root = f"/queues/reports/jobs/{added['id']}"
    told = await ask(admin, "get", f"{root}/flow")
    assert (told["job"]["state"], told["job"]["name"], told["parent"]) == ("waiting-children", "sum up", None)
    assert told["job"]["children"] == {"pending": 2, "done": 0, "ignored": 0, "failed": 0}
    deep = await ask(admin, "get", f"/queues/pages/jobs/{parse['id']}/flow")
    assert deep["parent"]["id"] == added["children"][0]["id"]
    assert deep["root"] == {"connection": "default", "queue": "reports", "id": added["id"]}
    children = (await ask(admin, "get", f"{root}/children"))["items"]
    assert {one["on_failure"] for one in children} == {None, "fail_parent"}
    assert {one["job"]["id"] for one in children} == {child["id"] for child in added["children"]}
    waiting = (await ask(admin, "get", f"{root}/children?state=waiting-children&name=fetch"))["items"]
    assert [one["job"]["id"] for one in waiting] == [added["children"][0]["id"]]
    assert [one["job"]["id"] for one in (await ask(admin, "get", "/flows"))["items"]] == [added["id"]]
    assert (await ask(admin, "get", f"{root}/children?group=done"))["items"] == []
    assert (await ask(admin, "get", "/queues/reports/jobs/none/flow", status=404))["code"] == "job_not_found"
    assert await recorded() == ["job.add"]


async def test_what_failed_in_a_flow_is_retried_where_the_caller_may(admin, viewer, connection):
    added = await ask(admin, "post", "/flows", TREE, 201)
    root = f"/queues/reports/jobs/{added['id']}"
    assert (await ask(admin, "post", f"{root}/flow/retry", status=409))["code"] == "refused"
    assert (await ask(viewer, "post", f"{root}/flow/retry", status=403))["code"] == "forbidden"

    async def fail(job):
        raise ValueError(f"password={SECRET}")

    async with working(fail, queue="pages"):

        async def have_failed() -> bool:
            return (await ask(admin, "get", f"{root}/flow"))["job"]["children"]["failed"] == 1

        await eventually(have_failed)
    (failed,) = (await ask(admin, "get", f"{root}/children?group=failed"))["items"]
    assert (failed["state"], SECRET in failed["error"]) == ("failed", False)
    assert (await ask(admin, "post", f"{root}/flow/retry", {"most": 1}))["affected"] == 1


async def test_a_flow_reaches_no_queue_in_which_the_caller_may_not_add(connection):
    someone = await seeing("reports", abilities=["view", "add", "retry"])
    assert (await ask(someone, "post", "/flows", TREE, 404))["code"] == "queue_not_found"
    user = await User.objects.aget(username="someone")
    grant = await QueueGrant.objects.acreate(user=user, connection="*", queue="pages", abilities=["view"])
    assert (await ask(someone, "post", "/flows", TREE, 403))["code"] == "forbidden"
    grant.abilities = ["view", "add"]
    await grant.asave()
    added = await ask(someone, "post", "/flows", TREE, 201)
    await grant.adelete()
    # Of what is not seen there is no more than that it is there.
    told = await ask(someone, "get", f"/queues/reports/jobs/{added['id']}/children")
    assert [(one["is_hidden"], one["job"], one["name"], one["state"]) for one in told["items"]] == [
        (True, None, None, None)
    ] * 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"children": [{"name": "x", "options": {"deduplication": {"id": "a"}}}]}, "dedup"),
        ({"children": [{"name": ""}]}, "children/0/name"),
        ({"options": {"job_id": "1", "on_failure": "fail_parent"}}, "job_id"),
        ({"children": [{"name": "x", "queue": "a:b"}]}, "children[0]"),
        ({"children": [{"name": "x"}] * 1000}, "1,000"),
    ],
)
async def test_a_flow_that_cannot_be_adds_nothing(admin, connection, client_of_redis, prefix, change, named):
    assert named in (await ask(admin, "post", "/flows", TREE | change, 400))["detail"]
    assert client_of_redis.keys(f"{prefix}:*") == []


# --- workers


def beat(number: int, *queues: str, **more: object) -> Beat:
    now = int(time.time() * 1000)
    running = (RunningJob(queues[0], "7", "mail", 1, now - 5_000, f'{{"percent": 50, "token": "{SECRET}"}}'),)
    told = {"id": f"process-{number}", "name": "mailer", "host": "alpha", "pid": number, "beat_ms": now}
    shares = tuple(Share(queue, 5, 1) for queue in queues)
    return Beat(**{**told, "queues": shares, "running": running, "running_count": 1, **more})  # type: ignore[arg-type]


async def plant(connection: str, *beats: Beat) -> None:
    for one in beats:
        await wire(connection).run(beat_commands(FleetKeys(prefix_of(connection)), one))


async def test_workers_are_told_as_far_as_their_queues_are_seen(viewer, connection):
    await plant(connection, beat(1, "open", "shut"), beat(2, "shut"), beat(3, "open", rss_bytes=7 * 2**20))
    everyone = await ask(viewer, "get", "/workers?limit=2")
    assert [one["id"] for one in everyone["items"]] == ["process-1", "process-2"]
    rest = await ask(viewer, "get", f"/workers?limit=2&cursor={everyone['next']}")
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (["process-3"], None)
    first = everyone["items"][0]
    assert first["running"][0]["progress"] == {"percent": 50, "token": "•••"}
    assert [share["queue"] for share in first["queues"]] == ["open", "shut"]
    someone = await seeing("open")
    seen = (await ask(someone, "get", "/workers"))["items"]
    assert [one["id"] for one in seen] == ["process-1", "process-3"]
    assert [share["queue"] for share in seen[0]["queues"]] == ["open"]
    assert seen[0]["running"][0]["progress"] is None
    assert (await ask(someone, "get", "/workers/process-3"))["rss_bytes"] == 7 * 2**20
    assert (await ask(someone, "get", "/workers/process-2", status=404))["code"] == "not_found"
    for path in ("/workers/process-1/quiet", "/workers/all/quiet"):
        assert (await ask(viewer, "post", path, {"count": 3} if "all" in path else None, 403))["code"] == "forbidden"


async def test_a_worker_is_quieted_and_resumed_and_all_only_as_many_as_were_seen(admin, connection):
    async def work(job):
        return None

    async with operating(work) as worker:
        here = f"/workers/{worker.id}"

        async def is_there() -> bool:
            return (await sent(admin, "get", V1 + here)).status_code == 200

        await eventually(is_there)
        await ask(admin, "post", f"{here}/quiet")
        await eventually(lambda: all(engine.is_quiet for engine in worker.engines))
        assert (await ask(admin, "post", "/workers/all/resume", {"count": 2}, 409))["code"] == "refused"
        assert all(engine.is_quiet for engine in worker.engines)

        async def are_resumed() -> bool:
            # One that was not heard for 10 s is not counted.
            return (await sent(admin, "post", f"{V1}/workers/all/resume", {"count": 1})).status_code == 200

        await eventually(are_resumed)
        await eventually(lambda: not any(engine.is_quiet for engine in worker.engines))
        await ask(admin, "post", f"{here}/dance", status=400)
    assert (await recorded())[:2] == ["workers.quiet", "workers.resume"]


# --- figures over time


async def test_figures_have_gaps_where_nobody_recorded_and_totals_of_what_is_seen(viewer, connection):
    minute = int(time.time()) // 60 * 60 - 600
    for queue, done in (("open", 5), ("shut", 70)):
        await plant_waiting(connection, queue)
        for name in ("", "mail"):
            series = await Series.objects.acreate(connection="default", queue=queue, name=name)
            for step_s in (MINUTE_S, 600, 3_600):
                at = minute // step_s * step_s
                await Sample.objects.acreate(
                    series=series, step_s=step_s, at=at, source=WORKERS, recorded=1, completed=done, failed=1
                )
    told = await ask(viewer, "get", "/metrics")
    assert (told["range"], told["step_s"], len(told["points"])) == ("1h", 60, 60)
    by_minute = {point["at_ms"]: point for point in told["points"]}
    assert (by_minute[minute * 1000]["completed"], by_minute[minute * 1000]["retried"]) == (75, 0)
    assert by_minute[minute * 1000 + 60_000]["completed"] is None
    assert [(one["name"], one["completed"]) for one in told["totals"]] == [("shut", 70), ("open", 5)]
    someone = await seeing("open")
    told = await ask(someone, "get", "/metrics?range=24h")
    assert ([one["name"] for one in told["totals"]], told["step_s"]) == (["open"], 600)
    told = await ask(someone, "get", "/queues/open/metrics?name=mail")
    assert ([one["name"] for one in told["totals"]], told["job_name"]) == (["mail"], "mail")
    await ask(someone, "get", "/queues/shut/metrics", status=404)
    await ask(viewer, "get", "/queues/none/metrics", status=404)
    await ask(viewer, "get", "/metrics?range=2h", status=400)


async def test_a_deploy_is_marked_by_whoever_may(admin, viewer, connection):
    await ask(viewer, "post", "/deploys", {"label": "v1.2.3"}, 403)
    await ask(admin, "post", "/deploys", {"label": "v1.2.3"}, 201)
    assert [one.label async for one in Deploy.objects.all()] == ["v1.2.3"]
    assert [one["label"] for one in (await ask(viewer, "get", "/metrics"))["deploys"]] == ["v1.2.3"]
    await ask(admin, "post", "/deploys", {"label": "a\nb"}, 400)


@pytest.mark.usefixtures("in_process")
async def test_in_process_reads_are_empty_and_writes_are_refused_with_a_sentence(admin):
    for path in ("/schedulers", "/flows", "/workers"):
        assert (await ask(admin, "get", path))["items"] == []
    assert (await ask(admin, "get", "/metrics"))["points"] == []
    for path in ("/queues/chat/schedulers/s", "/queues/chat/jobs/1/flow", "/queues/chat/jobs/1/children", "/workers/p"):
        await ask(admin, "get", path, status=404)
    for method, path, body in (
        ("put", DAILY, {"every_ms": 1000}),
        ("post", f"{DAILY}/run", None),
        ("post", "/flows", TREE),
    ):
        assert "Jobs run in this process" in (await ask(admin, method, path, body, 409))["detail"]


def test_each_operation_says_what_it_does_and_what_it_answers():
    told = json.loads(document(""))
    nouns = ("schedulers", "flows", "workers", "metrics")
    found = [op for ops in told["paths"].values() for op in ops.values() if op["tags"][0] in nouns]
    assert len(found) == 20
    assert all(op["summary"] and op["operationId"] for op in found)
