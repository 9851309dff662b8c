"""Whatever producers write into jobs is text: nothing runs, nothing is requested, no page falls."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
import redis
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
EVIL = "</script><img src=x onerror=alert(1)><b hx-get=/admin/queues/?evil hx-trigger=load>'\"&lt;{{7*7}}"


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
        client.hset(f"{module_prefix}:broken:meta", "version", EVIL)
        client.hset(f"{module_prefix}:broken:corrupt", mapping={"name": b"\xff\x00", "data": "{", "timestamp": "x"})
        client.hset(f"{module_prefix}:broken:big", mapping={"name": "big", "data": '"' + "x" * 5_000_000 + '"'})
        client.zadd(f"{module_prefix}:broken:failed", {"corrupt": 1, "gone": 2, "a/b%2F😀'\"": 3, "big": 4})
    return quote(EVIL, safe="")


@pytest.mark.parametrize("csp", [True, False], ids=["with the policy", "with the policy bypassed"])
def test_markup_in_every_field_is_inert(browser, stand, evil, csp) -> None:
    from tests.browser.conftest import Watched, sign_in

    context = browser.new_context(base_url=stand.address, bypass_csp=not csp)
    page = context.new_page()
    watched = Watched(page)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    sign_in(page)
    for path in ("", f"queue/{evil}?status=failed", f"queue/{evil}/{evil}", f"queue/{evil}?confirm=retry-all"):
        page.goto(f"/admin/queues/{path}")
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
