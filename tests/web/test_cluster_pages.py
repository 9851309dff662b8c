"""Every page on a real Cluster whose queues lie on several servers, and what one may do there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from queues import queue
from queues.options import reset_options
from queues.producer.job import JobHandle
from queues.states import State
from tests.clusters import Cluster
from tests.eventually import eventually
from tests.web.planted import text_of
from tests.working import working

pytestmark = pytest.mark.django_db(transaction=True)
QUEUES = ["{chat}", "{mail}", "{video}"]
#: What nobody is to read who looks on.
TROUBLE = ("CROSSSLOT", "MOVED", "hash slots", "Redis is not ready", "cannot be reached")
HREF = re.compile(r'href="([^"#]+)')
#: Answers with something else than a page.
NOT_WALKED = re.compile(r"/(logout|export|csv|live|raw)\b")
#: Of queries those that lead to other things, not to another order of the same.
WALKED = {"status", "queue", "id", "tab"}
MOST = 200


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"), replicas=0)
    yield made
    made.close()


@pytest.fixture
async def spread(cluster, prefix, settings):
    """A queue on each server, with jobs that wait, are delayed, failed and completed, and a flow."""
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": cluster.url, "PREFIX": prefix}}}
    reset_options()
    assert len({cluster.owner(f"{prefix}:{name}").port for name in QUEUES}) > 1
    for name in QUEUES:
        failing = await queue(name).add("fail")
        async with working(_run, queue=name):
            await _ended(failing)
        await queue(name).add_bulk([{"name": "waits"}] * 3)
        await queue(name).add("later", delay_ms=3_600_000)
        await queue(name).add_flow("parent", children=[{"name": "child"}])
        await queue(name).pause()
    yield
    reset_options()


def _run(job) -> None:
    raise ValueError("no")


async def _ended(job: JobHandle) -> None:
    with pytest.raises(Exception, match="no"):
        await job.result(60)


async def test_every_page_that_leads_to_another_is_drawn(admin, spread):
    seen, left = {"/admin/queues/"}, ["/admin/queues/"]
    while left and len(seen) < MOST:
        path = left.pop(0)
        answer = await admin.get(path)
        assert answer.status_code in (200, 302), (path, answer.status_code)
        if "text/html" not in answer.get("Content-Type", ""):
            continue
        html = answer.content.decode()
        said = text_of(html)
        assert [word for word in TROUBLE if word in said] == [], path
        for href in map(unescape, HREF.findall(html)):
            found = urlsplit(urljoin(path, href))
            there = found.path + (f"?{found.query}" if found.query else "")
            is_page = found.path.startswith("/admin/queues") and not NOT_WALKED.search(there)
            if is_page and WALKED.issuperset(parse_qs(found.query)) and there not in seen:
                seen.add(there)
                left.append(there)
    assert not left
    # Of each queue its states, and of each job that it lists a page.
    assert len([path for path in seen if "/queue/" in path]) > 30


async def test_the_overview_counts_and_the_redis_page_lists_every_server(admin, spread, cluster):
    overview = text_of((await admin.get("/admin/queues/")).content.decode())
    assert all(name in overview for name in QUEUES)
    told = text_of((await admin.get("/admin/queues/redis")).content.decode())
    assert all(f"127.0.0.1:{node.port}" in told for node in cluster.nodes)
    assert "has no replica: while it is away, its queues are" in told
    assert told.count("5,46") == 3


async def test_queues_on_every_server_are_steered(admin, spread):
    api = "/admin/queues/api/queues"
    for name in QUEUES:
        (failed,) = await queue(name).jobs(State.FAILED)
        for path in ("resume", "pause", f"{failed.id}/retry", "promote", "resume"):
            answer = await admin.put(f"{api}/{name.replace('{', '%7B').replace('}', '%7D')}/{path}")
            assert answer.status_code in (200, 204), (path, answer.content)
        counts = await queue(name).counts()
        assert (counts[State.FAILED], counts[State.DELAYED], counts[State.WAITING]) == (0, 0, 6)
        assert not await queue(name).is_paused()


async def test_the_self_check_names_queues_without_a_hash_tag(admin, spread, cluster, prefix):
    async def checked() -> str:
        return text_of((await admin.get("/admin/queues/check")).content.decode())

    assert "would lie all over it" not in await checked()
    with cluster.client() as client:
        client.hset(f"{prefix}:plain:meta", "version", "bullmq:5")
    await eventually(lambda: _names_it(checked), 60)


async def _names_it(checked) -> bool:
    return "the keys of “plain” would lie all over it: give the prefix a hash tag" in await checked()
