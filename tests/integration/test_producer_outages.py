"""Adding when Redis is gone, silent, a replica, loading or full: an error of ours within two seconds, and no hang."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync

from queues import queue
from queues.errors import RedisReadOnly, RedisRefused, RedisUnavailable
from queues.options import reset_options
from queues.protocol.blocking import close_blocking
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually

Add = Callable[[], Awaitable[Any]]
#: Each way to add: on a loop, and through the sync door.
WAYS: dict[str, Add] = {
    "async": lambda: queue("chat").add("greet"),
    "sync": lambda: asyncio.to_thread(queue("chat").sync.add, "greet"),
    "bulk": lambda: queue("chat").add_bulk([{"name": "greet"}] * 700),
    "flow": lambda: queue("chat").add_flow("greet", children=[{"name": "x"}]),
}


@pytest.fixture(autouse=True)
def _fresh():
    yield
    close_blocking()
    reset_options()


@pytest.fixture
def at(settings):
    def connect(url: str) -> None:
        settings.TORIL = {"CONNECTIONS": {"default": {"URL": url, "PREFIX": "gone"}}}
        reset_options()

    return connect


async def refused_in_time(way: str, kind: type[Exception] = RedisUnavailable) -> Exception:
    watch = Stopwatch()
    with pytest.raises(kind) as refused:
        await WAYS[way]()
    # The machine may be busy; what is promised is two seconds.
    assert watch.calm_s < 2.5
    return refused.value


@contextmanager
def silent(*, accepts: bool = True) -> Iterator[int]:
    """A port where somebody listens and never says anything; or where not even a connection is made."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        filling = []
        if not accepts:
            # A full backlog answers nothing.
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
                filling.append(one)
        try:
            yield port
        finally:
            for one in filling:
                one.close()


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_that_ended_between_two_jobs(own_redis: RedisServer, at, way: str):
    at(own_redis.url)
    await WAYS[way]()
    await asyncio.to_thread(own_redis.stop)
    await refused_in_time(way)
    await asyncio.to_thread(own_redis.start)

    async def works() -> bool:
        try:
            await WAYS[way]()
        except RedisUnavailable:
            return False
        return True

    await eventually(works, timeout_s=5)


async def both_refused_in_time() -> None:
    await asyncio.gather(refused_in_time("async"), refused_in_time("sync"))


async def test_a_server_that_stands_still(own_redis: RedisServer, at):
    at(own_redis.url)
    await WAYS["async"]()
    await WAYS["sync"]()
    assert own_redis.process is not None
    os.kill(own_redis.process.pid, signal.SIGSTOP)
    try:
        await both_refused_in_time()
    finally:
        os.kill(own_redis.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_server_that_never_says_anything(at, accepts: bool):
    with silent(accepts=accepts) as port:
        at(f"redis://:secret@127.0.0.1:{port}/3")
        await both_refused_in_time()


async def test_a_name_that_nobody_resolves_in_time(at, monkeypatch):
    """The resolver's silence outlasts every other bound; nothing but a stand-in makes it silent here."""
    asked = socket.getaddrinfo
    over = threading.Event()

    def mute(host: Any, *more: Any, **options: Any) -> Any:
        if host == "redis.invalid" and not options.get("flags"):
            over.wait(10)
        return asked(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", mute)
    at("redis://redis.invalid:6379")
    try:
        await both_refused_in_time()
    finally:
        over.set()


@pytest.mark.parametrize("way", WAYS)
async def test_a_replica_says_that_it_only_reads(own_redis: RedisServer, at, way: str):
    at(own_redis.url)
    await WAYS[way]()
    with redis.Redis(port=own_redis.port) as client:
        client.replicaof("127.0.0.1", 1)
        client.config_set("replica-serve-stale-data", "yes")
        error = await refused_in_time(way)
        assert isinstance(error, RedisReadOnly), error
        client.replicaof("NO", "ONE")
    await eventually(lambda: works_again(way))


async def works_again(way: str) -> bool:
    try:
        await WAYS[way]()
    except RedisUnavailable:
        return False
    return True


@pytest.mark.parametrize("way", WAYS)
async def test_a_user_who_may_not_write_is_refused(own_redis: RedisServer, at, way: str):
    with redis.Redis(port=own_redis.port) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@read", "+ping", "+auth"])
    at(own_redis.url.replace("redis://", "redis://reader:pw@"))
    await refused_in_time(way, RedisRefused)


@pytest.mark.parametrize("way", ["async", "sync"])
async def test_a_wrong_password_is_said(own_redis: RedisServer, at, way: str):
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("requirepass", "right")
    at(own_redis.url.replace("redis://", "redis://:wrong@"))
    error = await refused_in_time(way)
    assert "WRONGPASS" in str(error) or "AUTH" in str(error)


@pytest.mark.parametrize("way", ["async", "sync"])
async def test_a_socket_of_the_filesystem(own_redis: RedisServer, at, way: str):
    at(f"unix://{own_redis.socket_path}")
    assert (await WAYS[way]()).id == "1"
    await asyncio.to_thread(own_redis.stop)
    await refused_in_time(way)


def test_a_connection_that_was_closed_while_it_rested_is_not_used_again(connection, client_of_redis):
    queue("chat").sync.add("greet")
    client_of_redis.client_kill_filter(_type="normal", skipme=True)
    queue("chat").sync.add("greet")


def test_threads_do_not_share_a_connection_in_use(connection, client_of_redis, prefix):
    errors: list[BaseException] = []

    def add_some(name: str) -> None:
        try:
            for n in range(30):
                job = queue("chat").sync.add(name, {"n": n})
                assert job.sync.refresh().data == {"n": n}
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=add_some, args=(f"t{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert queue("chat").sync.counts()["waiting"] == 180


def test_a_forked_child_speaks_on_a_connection_of_its_own(connection):
    """Both add at once: on one connection they would take each other's answers."""
    queue("chat").sync.add("greet")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, ",".join(queue("chat").sync.add("theirs").id for _ in range(60)).encode())
            os._exit(0)
        except BaseException:
            os._exit(1)
    ours = [queue("chat").sync.add("ours").id for _ in range(60)]
    _, status = os.waitpid(child, 0)
    theirs = os.read(reading, 10_000).decode().split(",")
    os.close(reading)
    os.close(writing)
    assert os.waitstatus_to_exitcode(status) == 0
    assert {*ours, *theirs} == {str(n) for n in range(2, 122)}
    assert all(job.name == "theirs" for job in map(queue("chat").sync.get_job, theirs[:3]))


def test_what_needs_a_loop_says_so(connection):
    from queues.errors import TorilError
    from queues.protocol.blocking import drive

    async def wait() -> None:
        await asyncio.sleep(5)

    with pytest.raises((TorilError, RuntimeError)):
        drive(wait())


def test_async_to_sync_reaches_redis_as_well(connection):
    assert async_to_sync(queue("chat").add)("greet").id == "1"
