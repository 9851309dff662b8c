"""Three Sentinels over a pair of real servers: the primary is found, and found again wherever it goes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import redis

from queues import queue
from queues.errors import RedisUnavailable, TorilError
from queues.models import Job
from queues.options import get_options, reset_options
from queues.protocol import topology
from queues.protocol.address import Address
from queues.protocol.blocking import close_blocking
from queues.protocol.commands import command
from queues.protocol.connections import close_wires, open_wire, wire
from queues.protocol.embedded import connection_version
from queues.protocol.wire import Wire, ask
from tests.conftest import RedisServer
from tests.eventually import eventually
from tests.mirroring import in_step, mirror_running
from tests.redises import Sentinels
from tests.working import Sight, working

pytestmark = pytest.mark.xdist_group("sentinels")
PASSWORD = "of-the-sentinels"


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    watched = Sentinels(tmp_path_factory.mktemp("sentinels"), password=PASSWORD)
    yield watched
    watched.close()


@pytest.fixture(autouse=True)
def connected(sentinels: Sentinels, prefix: str, settings: Any) -> Iterator[None]:
    settings.TORIL = {"CONNECTIONS": {"default": {**sentinels.connection, "PREFIX": prefix}}}
    reset_options()
    yield
    close_blocking()
    reset_options()


def sight_of(server: RedisServer, prefix: str) -> Sight:
    return Sight(redis.Redis(port=server.port), prefix)


async def where() -> int:
    """The port of the server that answers."""
    return int((await wire().call(command("CONFIG", "GET", "port")))[1])


async def test_pages_and_the_sync_door_come_to_the_primary(sentinels: Sentinels):
    assert await where() == sentinels.primary().port
    assert (await asyncio.to_thread(queue("chat").sync.add, "x")).id == "1"


async def test_a_list_without_a_word_of_sentinel_is_found_out_by_asking_once(sentinels: Sentinels):
    plain = replace(get_options().connection(), url=f"{sentinels.url}/0", topology="")
    asked: list[Address] = []

    async def counted(address: Address, commands: Any) -> list[Any]:
        asked.append(address)
        return await ask(address, commands)

    assert topology.known(plain) is None
    assert [await topology.topology(plain, counted) for _ in range(2)] == ["sentinel"] * 2
    assert (topology.known(plain), len(asked)) == ("sentinel", 1)
    # Servers that know no SENTINEL are a Cluster's.
    nodes = ",".join(f"127.0.0.1:{server.port}" for server in sentinels.servers)
    assert await topology.topology(replace(plain, url=f"redis://{nodes}"), counted) == "cluster"


async def test_sentinels_with_the_servers_own_password_need_no_word_of_theirs(sentinels: Sentinels):
    url = sentinels.url.replace("://", f"://:{PASSWORD}@")
    on = Wire(Address.of(replace(get_options().connection(), url=url, sentinel_password="")))
    assert (await on.call(command("ROLE")))[0] == b"master"
    await on.close()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"sentinel_master": "nobody"}, "knows no primary named “nobody”: set REDIS_SENTINEL_MASTER"),
        ({"sentinel_password": "wrong"}, "WRONGPASS"),
        ({"sentinel_password": ""}, "NOAUTH"),
        ({"url": "redis://127.0.0.1:1,127.0.0.1:2"}, "Connection refused"),
    ],
)
async def test_what_the_sentinels_do_not_tell_is_a_sentence(told: dict[str, str], said: str):
    on = Wire(Address.of(replace(get_options().connection(), **told)))
    try:
        with pytest.raises(RedisUnavailable, match=said):
            await on.connect()
    finally:
        await on.close()


async def test_one_sentinel_that_answers_is_enough(sentinels: Sentinels):
    hosts = f"redis://127.0.0.1:1,127.0.0.1:2,127.0.0.1:{sentinels.ports[1]}"
    on = Wire(Address.of(replace(get_options().connection(), url=hosts)))
    assert (await on.call(command("ROLE")))[0] == b"master"
    await on.close()


async def test_a_replica_that_is_still_named_is_no_answer(sentinels: Sentinels):
    """Sentinels may name a server that has been demoted, or was never told of its promotion."""
    at = replace(Address.of(get_options().connection()), through=None, must_be_primary=True)
    on = Wire(replace(at, host="127.0.0.1", port=sentinels.replica().port))
    with pytest.raises(RedisUnavailable, match="not the primary"):
        await on.connect()
    await on.close()


async def add_until_it_stays(job_ids: list[str], name: str = "chat") -> set[str]:
    """Those whose adding was acknowledged; who is told of an outage tries again, with the same id."""
    acknowledged: set[str] = set()
    for job_id in job_ids:
        while job_id not in acknowledged:
            with suppress(TorilError):
                await queue(name).add("x", {}, job_id=job_id)
                acknowledged.add(job_id)
                break
            await asyncio.sleep(0.05)
    return acknowledged


@pytest.mark.django_db(transaction=True)
async def test_workers_mirror_and_producers_go_on_with_the_next_primary(sentinels: Sentinels, prefix: str, caplog):
    """Handed over, then killed with jobs it alone had: what Redis kept is all done, what it lost the mirror names."""
    runs: Counter[str] = Counter()

    async def work(job: Any) -> None:
        runs[job.id] += 1
        await asyncio.sleep(0.02)

    options = {"concurrency": 4, "lock_duration_ms": 3_000, "stalled_interval_ms": 500, "max_stalled_count": 9}
    async with working(work, **options), mirror_running():
        adding = asyncio.create_task(add_until_it_stays([f"j1-{n}" for n in range(150)]))
        await eventually(lambda: len(runs) > 20)
        await asyncio.to_thread(sentinels.fail_over)
        await adding
        await settled(sentinels, prefix)
        await in_step(timeout_s=30)

        # The replica is kept from what comes now, and then it is all that is left.
        old, next_one = sentinels.primary(), sentinels.replica()
        with redis.Redis(port=next_one.port) as client:
            client.config_set("masteruser", "nobody")
            client.config_set("masterauth", "wrong")
            client.client_kill_filter(_type="master")
        only_there = await add_until_it_stays([f"j2-{n}" for n in range(20)], "held")
        await eventually(lambda: Job.objects.filter(queue="held").acount(), 30)
        await in_step(timeout_s=30)
        await asyncio.to_thread(old.kill)
        await asyncio.to_thread(sentinels.moved_from, old)
        await add_until_it_stays(["j3"])
        await settled(sentinels, prefix)
        with redis.Redis(port=next_one.port) as client:
            client.config_set("masteruser", "")
            client.config_set("masterauth", "")
            lost = {job_id for job_id in only_there if not Sight(client, prefix, "held").job(job_id)}
        assert lost == only_there, "the test made Redis lose them"
        await in_step(timeout_s=30)
    gone = {row.job_id async for row in Job.objects.filter(queue="held", removed_at__isnull=False)}
    assert gone == lost
    assert not [row async for row in Job.objects.filter(queue="held", removed_at__isnull=True)]
    await asyncio.to_thread(old.start)
    await asyncio.to_thread(sentinels.settled)
    assert len([one for one in caplog.records if "READONLY" in one.getMessage()]) < 10


async def settled(sentinels: Sentinels, prefix: str) -> None:
    """Wait until the primary of now has nothing left to do, and all it holds was completed."""
    at = sight_of(await asyncio.to_thread(sentinels.primary), prefix)

    def is_done() -> bool:
        return not any(at.client.exists(at.keys(state)) for state in ("wait", "active", "delayed", "prioritized"))

    await eventually(is_done, 30, "what Redis kept is done")
    hashes = {key for key in at.client.scan_iter(at.keys.base + b"j*") if b":" not in key[len(at.keys.base) :]}
    assert len(hashes) == at.client.zcard(at.keys("completed"))
    at.assert_all_over()
    at.client.close()


async def test_a_wire_that_writes_to_the_demoted_one_asks_anew(sentinels: Sentinels):
    on = open_wire("default", timeout_s=1.5)
    before = int((await on.call(command("CONFIG", "GET", "port")))[1])
    await asyncio.to_thread(sentinels.fail_over)

    async def writes() -> bool:
        with suppress(RedisUnavailable):
            await on.call(command("SET", "x", "1", "PX", "1000"))
            return True
        return False

    await eventually(writes, 30)
    assert int((await on.call(command("CONFIG", "GET", "port")))[1]) != before
    await on.close()
    await close_wires()


def test_the_version_of_what_sentinels_watch_is_told_at_the_start(sentinels: Sentinels):
    assert connection_version(get_options().connection()).endswith(", named by Sentinels")
    with pytest.raises(RedisUnavailable, match="does not answer: Connection refused"):
        connection_version(replace(get_options().connection(), url="redis://127.0.0.1:1,127.0.0.1:2"))
