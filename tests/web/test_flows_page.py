"""The flows' pages: the tree level by level, and nothing of queues that a person may not see."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User

from dashboard.models import QueueGrant
from queues import queue
from queues.protocol.commands import command
from queues.protocol.connections import keys, wire
from tests.eventually import eventually
from tests.web.browser import Browser
from tests.web.planted import EVIL, is_inert, text_of
from tests.working import working

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
LIST = "/admin/queues/flows"


def tree(job_id: str, where: str = "open", **more: str) -> str:
    query = "".join(f"&{key}={quote(value)}" for key, value in more.items())
    return f"{LIST}?queue={quote(where)}&id={quote(job_id)}{query}"


async def page(browser: Browser, path: str, status: int = 200) -> str:
    response = await browser.get(path)
    assert response.status_code == status, response.content.decode()[:800]
    return response.content.decode()


async def plant() -> str:
    """A flow in `open` with a child in `secret`, which has one in `open` again."""
    below = [{"name": "deep", "job_id": "deep", "queue": "open"}]
    hidden = {"name": "payroll", "job_id": "payroll-7", "queue": "secret", "children": below}
    made = await queue("open").add_flow("report", children=[hidden, {"name": "cover", "job_id": "cover"}])
    return made.job.id


@pytest.fixture
async def narrow(transactional_db: None) -> Browser:
    user = await User.objects.acreate_user("narrow", is_staff=True)
    await QueueGrant.objects.acreate(user=user, connection="*", queue="open", abilities=["view", "retry"])
    browser = Browser()
    await browser.aforce_login(user)
    return browser


async def test_recent_flows_are_listed_by_their_root_and_found_by_any_job(connection, viewer):
    root = await plant()
    told = text_of(await page(viewer, LIST))
    assert "report" in told
    assert "0 of 2 done 2 unfinished" in told
    # Children that ended release it to the line: a flow all the same.
    k = keys(connection, "open")
    await wire(connection).run([command("ZREM", k("waiting-children"), root), command("LPUSH", k("wait"), root)])
    assert "report" in text_of(await page(viewer, LIST))
    found = await viewer.get(f"{LIST}?find=deep")
    assert found.status_code in (302, 303)
    assert found.headers["Location"].endswith(f"?queue=open&id={root}")
    assert "No queue has a job “nowhere”" in text_of(await page(viewer, f"{LIST}?find=nowhere"))


async def test_a_tree_shows_states_and_links_and_opens_level_by_level(connection, viewer):
    root = await plant()
    html = await page(viewer, tree(root))
    told = text_of(html)
    assert "waiting for children payroll payroll-7 secret 0 of 1 done 1 unfinished" in told
    assert "waiting cover cover open" in told
    assert "/admin/queues/queue/secret/payroll-7" in html
    (expand,) = set(re.findall(r'hx-get="([^"]*payroll-7[^"]*fragment=children[^"]*)"', html))
    level = await page(viewer, expand.replace("&amp;", "&"))
    assert "waiting deep deep open" in text_of(level)
    assert "<html" not in level


async def test_a_hidden_queues_jobs_have_no_name_no_state_and_no_id(connection, narrow):
    root = await plant()
    for path in (LIST, tree(root), tree(root, fragment="outline"), tree(root, fragment="children", group="pending")):
        html = await page(narrow, path)
        assert "payroll" not in html
        assert "secret" not in html
    assert "a job you may not see" in text_of(await page(narrow, tree(root)))
    # Neither is told whether it fits, nor what lies above or below it.
    fitting = tree(root, fragment="children", group="pending", name="payroll", state="waiting-children")
    assert "a job you may not see" not in text_of(await page(narrow, fitting))
    assert "payroll" not in text_of(await page(narrow, tree("payroll-7", "secret"), 404))
    above = await page(narrow, tree("deep"))
    assert "its parent is a job you may not see" in text_of(above)
    assert "payroll" not in above
    assert "No queue has a job" in text_of(await page(narrow, f"{LIST}?find=payroll-7"))


async def test_failed_leaves_are_counted_then_retried_where_one_may(connection, sight, operator, viewer):
    async def step(job):
        if job.name.startswith("bad"):
            raise ValueError("no tokens")

    children = [{"name": f"bad {n}", "job_id": f"bad{n}"} for n in range(3)]
    made = await queue("chat").add_flow("report", children=children)
    async with working(step):
        await sight.until_count("failed", 3)
    address = tree(made.job.id, "chat", do="retry-leaves")
    assert "Retry 3 failed jobs of this flow?" in text_of(await page(operator, address))
    assert "no tokens" in text_of(await page(operator, tree(made.job.id, "chat")))
    assert (await viewer.post(address, {"count": "3"})).status_code == 403
    assert (await operator.post(address, {"count": "x"})).status_code == 400
    assert len(sight.ids("failed")) == 3
    assert (await operator.post(address, {"count": "3"})).status_code == 303
    assert set(sight.ids("wait")) >= {"bad0", "bad1", "bad2"}


async def test_who_may_not_read_what_jobs_carry_sees_no_reason(connection, sight, narrow):
    async def step(job):
        raise ValueError("tenant 42")

    made = await queue("open").add_flow("report", children=[{"name": "bad", "job_id": "bad"}])
    async with working(step, "open"):
        base = sight.keys.base.decode().replace("chat:", "open:")
        await eventually(lambda: sight.client.zcard(f"{base}failed"))
    html = await page(narrow, tree(made.job.id))
    assert "failed" in html
    assert "tenant 42" not in html


async def test_markup_in_every_field_stays_text(connection, sight, admin):
    base = sight.keys.base.decode()
    sight.client.hset(f"{base}meta", "version", "bullmq:6.7.0")
    for job_id in ("top", EVIL):
        fields = {"name": EVIL, "failedReason": EVIL, "progress": f'"{EVIL}"', "timestamp": 1, "parent": EVIL}
        sight.client.hset(base + job_id, mapping=fields)
    sight.client.hset(base + EVIL, "parentKey", f"{base}top")
    sight.client.zadd(f"{base}waiting-children", {"top": 1})
    sight.client.zadd(f"{base}failed", {EVIL: 1})
    sight.client.sadd(f"{base}top:dependencies", base + EVIL, f"{EVIL}:{EVIL}:{EVIL}")
    for path in (LIST, tree("top", "chat"), tree(EVIL, "chat"), tree("top", "chat", fragment="outline")):
        assert is_inert(await page(admin, path))
    assert is_inert(await page(admin, tree("top", "chat", do="retry-leaves")))
