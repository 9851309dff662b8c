"""The dashboard's socket on the real server: who is let in, what arrives, and what no client can do to it."""

from __future__ import annotations

import asyncio
import re
import signal
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, suppress
from typing import Any

import httpx
import pytest
import redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dashboard.live.codes import Close
from queues.options import reset_options
from tests.conftest import RedisServer
from tests.eventually import eventually
from tests.planting import plant_waiting
from tests.stand import PASSWORD, Stand
from tests.tabs import Stuck, address, cookie_of, memory, tab

PREFIX = "livesocket"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Stand]:
    opened = Stand(tmp_path_factory.mktemp("live"), redis_server.url, PREFIX)
    opened.web()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def ana(stand: Stand) -> Iterator[httpx.Client]:
    with closing(stand.signed_in("ana")) as client:
        yield client


@pytest.fixture
def queue(redis_server: RedisServer, settings) -> Iterator[str]:
    """A queue of this test's own, under the prefix that the server shows."""
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": redis_server.url, "PREFIX": PREFIX}}}
    reset_options()
    yield f"chat-{uuid.uuid4().hex[:8]}"
    with redis.Redis(port=redis_server.port) as client:
        for key in client.scan_iter(f"{PREFIX}:*"):
            client.delete(key)
    reset_options()


def listeners(server: RedisServer) -> int:
    """How many watchers are connected to Redis."""
    with redis.Redis(port=server.port) as client:
        return sum(row["name"] == "toril-live" for row in client.client_list())


# --- what arrives


async def test_a_page_gets_what_is_current_and_then_every_change(stand, ana, queue):
    await plant_waiting("default", queue)
    async with tab(stand, ana, queue=queue) as page, tab(stand, ana) as overview:
        await eventually(lambda: page.count(queue, "waiting") == 1)
        await eventually(lambda: overview.text("queue-row", queue))
        await plant_waiting("default", queue, 2)
        await eventually(lambda: page.count(queue, "waiting") == 3)
        await eventually(lambda: "3" in overview.text("queue-row", queue))
        assert page.text("live-status") == "live"


async def test_nothing_in_a_message_differs_between_viewers(stand, ana, queue):
    await plant_waiting("default", queue)
    with closing(stand.signed_in("vera")) as vera:
        async with tab(stand, ana, queue=queue) as hers, tab(stand, vera, queue=queue) as theirs:
            await eventually(lambda: hers.shown and hers.shown == theirs.shown)
            assert not [html for html in hers.shown.values() if "<form" in html or "<button" in html or "csrf" in html]


async def test_fifty_tabs_cost_redis_what_one_does(stand, ana, queue, redis_server):
    await plant_waiting("default", queue)
    watched = ("xread", "hmget", "time", "llen", "zcard", "scan", "info", "client|list", "get", "pttl")

    def asked() -> int:
        with redis.Redis(port=redis_server.port) as client:
            stats: Any = client.info("commandstats")
            return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in watched)

    async def cost_of(many: int) -> int:
        async with AsyncExitStack() as stack:
            tabs = [await stack.enter_async_context(tab(stand, ana, queue=queue)) for _ in range(many)]
            await eventually(lambda: all(each.count(queue, "waiting") for each in tabs))
            before = asked()
            for _ in range(12):
                known = tabs[0].count(queue, "waiting")
                await plant_waiting("default", queue)
                await eventually(lambda n=known: all(each.count(queue, "waiting") == n + 1 for each in tabs))
            return asked() - before

    one, fifty = await cost_of(1), await cost_of(50)
    # What differs is how many of the sweeps, one every 5 s, fall into the measured time.
    assert fifty <= one * 1.6, (one, fifty)


async def test_with_no_viewer_nothing_listens(stand, ana, queue, redis_server):
    await plant_waiting("default", queue)
    async with tab(stand, ana) as overview:
        await eventually(lambda: overview.shown)
        await eventually(lambda: listeners(redis_server) == 1)
    await eventually(lambda: listeners(redis_server) == 0, 6)


# --- who is let in, and for how long


async def test_nobody_signed_in_is_sent_to_sign_in(stand):
    async with tab(stand, None) as page:
        assert await page.closed() == Close.SIGNED_OUT
        assert not page.shown


async def test_who_is_not_staff_is_told_so(stand):
    with closing(stand.signed_in("nobody")) as client:
        async with tab(stand, client) as page:
            assert await page.closed() == Close.FORBIDDEN
            assert not page.shown


MAKE_CLERK = """
from django.contrib.auth.models import User
from dashboard.models import QueueGrant
clerk = User.objects.create_user("clerk-{queue}", password={password!r}, is_staff=True)
QueueGrant.objects.create(user=clerk, queue="{queue}*", abilities=["view"])
"""
CUT_CLERK = """
from dashboard.models import QueueGrant
QueueGrant.objects.filter(queue="{queue}*").update(queue="{queue}")
"""


async def test_who_sees_some_queues_is_told_of_those_alone_and_cut_when_they_become_fewer(stand, ana, queue):
    hidden, new = f"hidden-{queue}", f"{queue}-new"
    for name in (queue, hidden):
        await plant_waiting("default", name)
    await asyncio.to_thread(stand.manage, "shell", "-v", "0", "-c", MAKE_CLERK.format(queue=queue, password=PASSWORD))
    with closing(stand.signed_in(f"clerk-{queue}")) as clerk:
        async with (
            tab(stand, ana) as all_of_it,
            tab(stand, clerk) as some,
            tab(stand, clerk, queue=hidden, job="1") as odd,
        ):
            for name in (queue, hidden, f"{hidden}-new", new):
                await plant_waiting("default", name)
            await eventually(lambda: hidden in (all_of_it.text("queue-names") or ""), 60)
            await eventually(lambda: new in (some.text("queue-names") or ""), 60)
            await eventually(lambda: "2" in (some.text("queue-row", queue) or ""))
            assert "2" in all_of_it.text("queue-row", hidden)
            assert hidden not in str(some.shown)
            assert hidden not in str(odd.shown)
            await asyncio.to_thread(stand.manage, "shell", "-v", "0", "-c", CUT_CLERK.format(queue=queue))
            assert await some.closed(8) == Close.FORBIDDEN
            assert all_of_it.code is None


async def test_a_connection_that_is_not_configured_is_told_so(stand, ana):
    async with tab(stand, ana, connection="none") as page:
        assert await page.closed() == Close.UNKNOWN


async def test_another_sites_page_is_refused(stand, ana):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address(stand), additional_headers=cookie_of(ana), origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_signing_out_closes_every_socket_of_the_session(stand, queue):
    with closing(stand.signed_in("oscar")) as oscar:
        async with tab(stand, oscar) as one, tab(stand, oscar, queue=queue) as two:
            await eventually(lambda: one.shown)
            oscar.post("/sign-out")
            assert await one.closed(10) == Close.SIGNED_OUT
            assert await two.closed(10) == Close.SIGNED_OUT


async def test_a_disabled_account_and_one_no_longer_staff_are_closed_within_ten_seconds(stand, queue):
    with closing(stand.signed_in("oscar")) as oscar, closing(stand.signed_in("vera")) as vera:
        async with tab(stand, oscar) as one, tab(stand, vera) as two:
            await eventually(lambda: one.shown and two.shown)
            change = "from django.contrib.auth.models import User; User.objects.filter(username={!r}).update({}={})"
            both = "; ".join((change.format("oscar", "is_active", False), change.format("vera", "is_staff", False)))
            await asyncio.to_thread(stand.manage, "shell", "--verbosity", "0", "--command", both)
            assert await one.closed(10) == Close.SIGNED_OUT
            assert await two.closed(10) == Close.FORBIDDEN
    back = both.replace("False", "True")
    await asyncio.to_thread(stand.manage, "shell", "--verbosity", "0", "--command", back)


# --- what no client can do to it


async def test_a_client_that_talks_is_closed(stand, ana):
    async with tab(stand, ana) as page:
        with suppress(ConnectionClosed):
            for _ in range(200):
                await page.ws.send("x")
        assert await page.closed() == Close.MISBEHAVED


async def test_a_few_words_are_ignored_and_a_long_one_is_not(stand, ana):
    async with tab(stand, ana) as page:
        for message in ("", "{}", '{"type": "subscribe"}', b"\x00\xff", "x" * 4000):
            await page.ws.send(message)
        await eventually(lambda: page.shown)
        assert page.code is None
        await page.ws.send("x" * 5000)
        assert await page.closed() == Close.MISBEHAVED


async def test_a_frame_of_megabytes_is_refused_unread(stand, ana):
    async with tab(stand, ana) as page:
        await eventually(lambda: page.shown)
        before = memory(stand)
        with suppress(ConnectionClosed):
            await page.ws.send("x" * 20_000_000)
        assert await page.closed() in (1009, 1006)
        assert memory(stand) - before < 10_000_000


async def test_two_hundred_that_come_and_go_leave_nothing(stand, ana, queue, redis_server):
    await plant_waiting("default", queue)

    async def come_and_go(n: int) -> None:
        async with tab(stand, ana, queue=queue) as page:
            if n % 2:
                await eventually(lambda: page.shown, 20)

    await come_and_go(1)
    before = memory(stand)
    for _ in range(5):
        await asyncio.gather(*(come_and_go(n) for n in range(40)))
    await eventually(lambda: listeners(redis_server) == 0, 6)
    assert memory(stand) - before < 20_000_000
    assert "Traceback" not in stand.log("web")


async def test_who_stops_reading_is_dropped_and_costs_neither_memory_nor_others(stand, ana, queue, redis_server):
    """Fifty stuck clients, and pushes of about 200 KB four times a second: 40 MB a second without a bound."""
    names = [f"queue-{n}-{'x' * 300}" for n in range(100)]
    with redis.Redis(port=redis_server.port) as client:
        for name in names:
            client.hset(f"{PREFIX}:{name}:meta", "version", "x")

        def everything_changes() -> None:
            with client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.rpush(f"{PREFIX}:{name}:wait", "1")
                    pipe.xadd(f"{PREFIX}:{name}:events", {"event": "waiting"}, maxlen=10)
                pipe.execute()

        async with tab(stand, ana) as reader:
            await eventually(lambda: len(reader.shown) > 200, 20)
            before = memory(stand)
            stuck = [Stuck(stand, ana) for _ in range(50)]
            most = 0

            def dropped() -> bool:
                nonlocal most
                most = max(most, memory(stand) - before)
                everything_changes()
                return all(each.is_dropped() for each in stuck)

            await eventually(dropped, 30, "all that are stuck are dropped")
            assert most < 64_000_000, most
            length = client.llen(f"{PREFIX}:{names[0]}:wait")
            everything_changes()
            await eventually(lambda: f"{length + 1:,}" in (reader.text("queue-row", names[0]) or ""), 5)
            for each in stuck:
                each.socket.close()


# --- when something stops


async def test_redis_gone_is_told_and_it_comes_back(tmp_path, own_redis, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": PREFIX}}}
    reset_options()
    own = Stand(tmp_path, own_redis.url, PREFIX)
    try:
        own.web()
        await plant_waiting("default", "chat")
        with closing(own.signed_in()) as client:
            async with tab(own, client, queue="chat") as page:
                await eventually(lambda: page.count("chat", "waiting") == 1)
                own_redis.stop()
                await eventually(lambda: "not answered" in page.text("live-status"), 5)
                own_redis.start()
                await plant_waiting("default", "chat", 2)
                await eventually(lambda: page.text("live-status") == "live", 5)
                await eventually(lambda: page.count("chat", "waiting") == 2)
    finally:
        own.close()
        reset_options()


async def test_the_server_stops_at_once_and_quietly_while_people_look(tmp_path, redis_server, queue):
    await plant_waiting("default", queue)
    own = Stand(tmp_path, redis_server.url, PREFIX)
    try:
        own.web()
        with closing(own.signed_in()) as client:
            async with tab(own, client) as one, tab(own, client, queue=queue) as two:
                await eventually(lambda: one.shown and two.shown)
                own.processes["web"].send_signal(signal.SIGTERM)
                await eventually(lambda: own.processes["web"].poll() is not None, 5)
        assert own.processes["web"].returncode == 0
        assert not re.search("Traceback|destroyed|never", own.log("web")), own.log("web")
    finally:
        own.close()
