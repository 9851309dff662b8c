"""Whatever producers write into jobs is text: nothing runs, nothing is requested, no page falls."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
import redis
from playwright.sync_api import Page, expect

from queues.protocol.keys import FleetKeys, SampleKeys

pytestmark = pytest.mark.browser
EVIL = "</script><img src=x onerror=alert(1)><b hx-get=/admin/queues/?evil hx-trigger=load>'\"&lt;{{7*7}}"


def plant_more(client: redis.Redis, prefix: str, base: str) -> None:
    """A scheduler, a worker's heartbeat, recorded names and a flow of markup, and keys of the wrong type."""
    rule = {
        "name": EVIL,
        "pattern": "0 5 * * *",
        "tz": EVIL,
        "data": json.dumps({EVIL: EVIL}),
        "opts": EVIL,
        "ic": EVIL,
    }
    client.zadd(f"{base}repeat", {EVIL: 4_000_000_000_000, f"{EVIL}2": 1})
    client.hset(f"{base}repeat:{EVIL}", mapping=rule)
    client.set(f"{base}repeat:{EVIL}2", EVIL)
    share = {"queue": EVIL, "slots": 1, "used": 1, "executors": [EVIL], "names": [EVIL]}
    running = {"queue": EVIL, "id": EVIL, "name": EVIL, "progress": EVIL}
    now = int(time.time() * 1000)
    beat = dict.fromkeys(("name", "host", "version", "release", "state", "connection"), EVIL)
    beat |= {"id": "evil-1", "pid": 1, "started_ms": now, "beat_ms": now, "queues": [share], "running": [running]}
    fleet, minute = FleetKeys(prefix), now // 60_000 - 1
    client.zadd(fleet.processes, {"evil-1": now, EVIL: now})
    client.set(fleet.process("evil-1"), json.dumps(beat))
    client.set(fleet.process(EVIL), json.dumps(beat))
    client.lpush(fleet.control, EVIL)
    samples = SampleKeys(prefix)
    client.zadd(samples.names(EVIL), {EVIL: minute})
    client.hset(samples.minute(minute), f"c{EVIL}", 3)
    client.hset(samples.figures(minute, EVIL, EVIL), mapping={"c": 3, EVIL: EVIL})
    client.hset(f"{base}{EVIL}:processed", f"{base}{EVIL}", EVIL)
    client.hset(f"{base}{EVIL}:failed", f"{prefix}:{EVIL}:other", EVIL)
    client.sadd(f"{base}{EVIL}:dependencies", f"{EVIL}:{EVIL}:{EVIL}")


@pytest.fixture(scope="module")
def evil(redis_server, module_prefix) -> str:
    """One queue whose every name, id and field is markup, and one whose jobs are broken."""
    base = f"{module_prefix}:{EVIL}:"
    fields = {"name": EVIL, "failedReason": EVIL, "stacktrace": json.dumps([EVIL]), "data": json.dumps({EVIL: EVIL})}
    fields |= {"progress": json.dumps(EVIL), "returnvalue": json.dumps(EVIL), "opts": json.dumps({EVIL: EVIL})}
    fields |= {"pb": EVIL, "deid": EVIL, "rjk": EVIL, "parentKey": EVIL, "defa": EVIL, "timestamp": "1", "atm": "1"}
    with redis.Redis(port=redis_server.port) as client:
        client.hset(f"{base}meta", "opts.maxLenEvents", 1)
        client.hset(base + EVIL, mapping=fields)
        client.zadd(f"{base}failed", {EVIL: 1})
        client.rpush(f"{base}{EVIL}:logs", EVIL)
        plant_more(client, module_prefix, base)
        client.hset(f"{module_prefix}:broken:meta", "version", EVIL)
        client.hset(f"{module_prefix}:broken:corrupt", mapping={"name": b"\xff\x00", "data": "{", "timestamp": "x"})
        client.hset(f"{module_prefix}:broken:big", mapping={"name": "big", "data": '"' + "x" * 5_000_000 + '"'})
        client.zadd(f"{module_prefix}:broken:failed", {"corrupt": 1, "gone": 2, "a/b%2F😀'\"": 3, "big": 4})
    return quote(EVIL, safe="")


def walked(evil: str) -> tuple[str, ...]:
    """Every page that tells something of what producers, workers and programs write."""
    queue, job = f"/queue/{evil}", f"/queue/{evil}/{evil}"
    forms = ("edit", "duplicate", "reprioritize", "fail", "elsewhere")
    return (
        *(
            "",
            f"{queue}?status=failed",
            f"{queue}?confirm=retry-all",
            f"{queue}?status=failed&expand={evil}",
            f"{queue}?about",
        ),
        *(f"{queue}?form={form}" for form in ("add", "limits", "obliterate")),
        *(f"{queue}?status=failed&job={evil}&text={evil}&sort=-error", f"{queue}?form=add&from={evil}"),
        *(job, *(f"{job}?form={form}" for form in forms)),
        *(f"{job}?fragment={part}" for part in ("log", "kin", "payload&show=data", "payload&show=opts&view=raw")),
        *(
            "/job-schedulers",
            f"/job-schedulers?queue={evil}&id={evil}",
            f"/job-schedulers?queue={evil}&id={evil}&form=edit",
        ),
        *("/flows", f"/flows?queue={evil}&id={evil}", f"/flows?queue={evil}&id={evil}&do=retry-leaves"),
        *(
            "/workers",
            f"/workers?find={evil}",
            f"/metrics-history?queue={evil}",
            f"/metrics-history?queue={evil}&name={evil}",
        ),
        *(f"/search?q={evil}", f"/search?q=%22{evil}"),
        *(f"/jump?q={evil}", f"/audit?actor={evil}&q={evil}", "/redis", "/check", f"/settings?x={evil}"),
    )


@pytest.mark.parametrize("csp", [True, False], ids=["with the policy", "with the policy bypassed"])
def test_markup_in_every_field_is_inert(browser, stand, evil, csp) -> None:
    from tests.browser.conftest import Watched, sign_in

    context = browser.new_context(base_url=stand.address, bypass_csp=not csp)
    page = context.new_page()
    watched = Watched(page)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    sign_in(page)
    for path in walked(evil):
        page.goto(f"/admin/queues{path}")
        expect(page.locator("body")).to_contain_text("onerror=alert(1)")
        page.wait_for_load_state("networkidle") if not path else None
    assert not [url for url in requested if url.endswith("/admin/queues/?evil")]
    assert not [url for url in requested if url.endswith("/x")]
    assert watched.unexpected() == []
    context.close()


@pytest.mark.parametrize("job", ["corrupt", "gone", "a%2Fb%252F%F0%9F%98%80'%22", "big"])
def test_a_broken_job_is_shown_with_what_is_wrong(page: Page, evil, job) -> None:
    page.goto("/admin/queues/queue/broken?status=failed")
    expect(page.locator("#list tbody tr")).to_have_count(4)
    response = page.goto(f"/admin/queues/queue/broken/{job}")
    assert response is not None
    assert response.status == 200
    assert len(response.body()) < 400_000
