"""The wire against a real server: order, errors, outages."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from queues.errors import RedisRefused, RedisUnavailable
from queues.protocol.address import Address
from queues.protocol.commands import call_script, command
from queues.protocol.keys import Keys
from queues.protocol.wire import Wire
from tests.eventually import Stopwatch, eventually
from tests.faults import Proxy, connects


@pytest.fixture
async def wire(own_redis):
    opened = Wire(Address("127.0.0.1", own_redis.port), name="a-name", timeout_s=0.5)
    yield opened
    await opened.close()


async def test_a_name_that_leads_nowhere_and_then_elsewhere_is_asked_anew_at_each_dial(own_redis, monkeypatch):
    """THREATS.md A4.6."""
    there: list[str] = []
    asked = socket.getaddrinfo

    def resolve(host, *more, **how):
        if host != "redis.test":
            return asked(host, *more, **how)
        if not there:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return asked(there[-1], *more, **how)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    opened = Wire(Address("redis.test", own_redis.port), timeout_s=2)

    async def said() -> str:
        try:
            return str(await opened.call(command("PING")))
        except RedisUnavailable as error:
            return str(error)

    async def says(*words: str) -> bool:
        answer = await said()
        return any(word in answer for word in words)

    await eventually(lambda: says("Name or service not known"))
    there.append("127.0.0.99")
    await eventually(lambda: says("refused"))
    there.append("127.0.0.1")
    await eventually(lambda: says("PONG"))
    await opened.close()


async def test_many_in_flight_come_back_in_order(wire):
    assert await wire.run([command("INCR", "n") for _ in range(1000)]) == list(range(1, 1001))


async def test_what_one_turn_submits_leaves_in_one_write(wire):
    await wire.connect()
    writes = []
    real = wire._write
    wire._write = lambda many: (writes.append(len(many)), real(many))
    await asyncio.gather(*(wire.call(command("PING")) for _ in range(20)))
    assert writes == [20]


async def test_a_caller_that_gives_up_does_not_shift_the_answers(wire):
    await wire.run([command("SET", f"k{n}", n) for n in range(50)])
    calls = [wire.submit(command("GET", f"k{n}")) for n in range(50)]
    for n in range(0, 50, 3):
        calls[n].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [int(a) for n, a in enumerate(answers) if n % 3] == [n for n in range(50) if n % 3]


async def test_callers_that_give_up_at_any_moment_get_no_others_answer(own_redis, wire):
    """THREATS.md A2.5: through a network that takes its time."""
    dice, right, wrong = random.Random(7), [], []
    await wire.run([command("SET", f"k{n}", n) for n in range(100)])
    async with Proxy(own_redis.port) as proxy:
        proxy.delay_s = 0.001
        slow = Wire(Address("127.0.0.1", proxy.port))

        async def ask(n: int) -> None:
            (right if await slow.call(command("GET", f"k{n}")) == b"%d" % n else wrong).append(n)

        async def ask_often() -> None:
            for _ in range(100):
                asking = asyncio.create_task(ask(dice.randrange(100)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(dice.choice((0, 0.001, 0.003, 5))):
                        await asking

        await asyncio.gather(*(ask_often() for _ in range(50)))
        await slow.close()
    assert wrong == []
    assert 500 < len(right) < 4_500


@pytest.mark.parametrize("odd", ["\ud800", None, True])
async def test_an_argument_that_cannot_be_sent_is_its_own_callers_error_and_shifts_no_answer(wire, odd):
    await wire.run([command("SET", "first", 1), command("SET", "second", 2)])
    first = wire.submit(command("GET", "first"))
    with pytest.raises((UnicodeEncodeError, TypeError)):
        await wire.call(command("GET", odd))
    assert [await first, await wire.call(command("GET", "second"))] == [b"1", b"2"]


async def test_while_redis_is_away_a_batch_is_sent_whole_or_not_at_all(wire, own_redis):
    await wire.connect()
    own_redis.stop()
    taken = set()
    until = time.monotonic() + 4
    while time.monotonic() < until:
        run = asyncio.create_task(wire.run([command("PING")] * 3000))
        await asyncio.sleep(0)
        taken.add(len(wire._queued))
        with pytest.raises(RedisUnavailable):
            await run
    assert taken == {0, 3000}


async def test_an_error_of_redis_is_raised_for_its_own_call_alone(wire):
    await wire.call(command("SET", "text", "x"))
    results = await wire.run([command("LPUSH", "text", "y"), command("GET", "text")], return_errors=True)
    assert isinstance(results[0], RedisRefused)
    assert results[1] == b"x"
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        await wire.run([command("LPUSH", "text", "y"), command("GET", "text")])


async def test_a_script_the_server_lost_is_sent_whole(wire):
    pause = call_script("pause", Keys("p", "q").many("wait paused meta prioritized events delayed marker"), ["paused"])
    for _ in range(2):
        await wire.call(command("SCRIPT", "FLUSH"))
        assert await wire.run([pause, pause]) == [0, 0]
    assert await wire.call(command("HGET", "p:q:meta", "paused")) == b"1"


async def test_the_connection_has_its_name(wire):
    assert await wire.call(command("CLIENT", "GETNAME")) == b"a-name"


async def test_a_stopped_server_fails_fast_and_a_started_one_is_found_again(wire, own_redis):
    await wire.connect()
    own_redis.stop()
    for _ in range(5):
        with pytest.raises(RedisUnavailable):
            await wire.call(command("PING"))
    own_redis.start()

    async def answers() -> bool:
        try:
            return await wire.call(command("PING")) == b"PONG"
        except RedisUnavailable:
            return False

    await eventually(answers, what="the server is found again")


async def test_a_frozen_server_is_given_up_in_time_and_later_answers_do_not_leak(wire, own_redis):
    await wire.call(command("SET", "secret", "old"))
    own_redis.process.send_signal(signal.SIGSTOP)
    try:
        watch = Stopwatch()
        with pytest.raises(RedisUnavailable):
            await wire.call(command("GET", "secret"))
        assert watch.calm_s < 5
    finally:
        own_redis.process.send_signal(signal.SIGCONT)

    async def echo() -> bool:
        try:
            return await wire.call(command("ECHO", "mine")) == b"mine"
        except RedisUnavailable:
            return False

    await eventually(echo)


async def test_a_blocking_call_past_its_margin_counts_as_half_open(own_redis):
    blocking = Wire(Address("127.0.0.1", own_redis.port), timeout_s=None)
    await blocking.connect()
    own_redis.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(RedisUnavailable, match="did not answer"):
            await blocking.call(command("BZPOPMIN", "none", 0), timeout_s=0.2)
    finally:
        own_redis.process.send_signal(signal.SIGCONT)
    assert await blocking.call(command("PING")) == b"PONG"
    await blocking.close()


async def test_a_wrong_password_is_told(own_redis):
    refused = Wire(Address("127.0.0.1", own_redis.port, password="wrong", username="nobody"))
    with pytest.raises(RedisUnavailable, match="WRONGPASS"):
        await refused.call(command("PING"))
    await refused.close()


async def test_close_may_come_twice_and_ends_what_waits(own_redis):
    closing = Wire(Address("127.0.0.1", own_redis.port), timeout_s=None)
    waiting = asyncio.ensure_future(closing.call(command("BZPOPMIN", "none", 0)))
    await eventually(lambda: closing.is_connected)
    await closing.close()
    await closing.close()
    with pytest.raises(RedisUnavailable):
        await waiting
    with pytest.raises(RedisUnavailable):
        await closing.call(command("PING"))


async def test_a_unix_socket_serves(own_redis):
    local = Wire(Address(path=str(own_redis.socket_path)))
    assert await local.call(command("PING")) == b"PONG"
    await local.close()


async def test_a_missing_unix_socket_is_told(tmp_path):
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        await Wire(Address(path=str(tmp_path / "none.sock"))).call(command("PING"))


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_loop_that_was_blocked_does_not_take_unread_answers_for_lost(own_redis, kind):
    async def block_between_asking_and_reading() -> bytes:
        wire = Wire(Address("127.0.0.1", own_redis.port), timeout_s=0.4)
        await wire.connect()
        answer = wire.submit(command("PING"))
        time.sleep(0.9)  # noqa: ASYNC251  what a careless processor does
        try:
            return await answer
        finally:
            await wire.close()

    factory = pytest.importorskip("uvloop").new_event_loop if kind == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(block_between_asking_and_reading()) == b"PONG"


@asynccontextmanager
async def speaking(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Address]:
    """A server that says to whoever dials it what `talk` does, and then hangs up."""
    ended = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
        await eventually(ended.is_set)
    finally:
        server.close()


async def test_what_redis_answered_before_it_hung_up_is_heard_and_what_it_did_not_answer_fails():
    async def answer_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.readuntil(b"last\r\n")
        writer.write(b"".join(b":%d\r\n" % number for number in range(100)))
        await writer.drain()

    async with speaking(answer_and_hang_up) as address:
        wire = Wire(address)
        calls = [wire.submit(command("ECHO", number)) for number in range(100)]
        calls.append(wire.submit(command("ECHO", "last")))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        await wire.close()
    assert answers[:-1] == list(range(100))
    assert isinstance(answers[-1], RedisUnavailable)


async def test_a_long_line_of_calls_waits_while_answers_come():
    async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The connection's own.
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        for _ in range(5):
            await reader.readuntil(b"PING\r\n")
        for _ in range(5):
            await asyncio.sleep(0.2)
            writer.write(b"+PONG\r\n")

    async with speaking(answer_slowly) as address:
        wire = Wire(address, timeout_s=0.5)
        assert await asyncio.gather(*[wire.call(command("PING")) for _ in range(5)]) == [b"PONG"] * 5
        await wire.close()


async def test_a_server_that_takes_no_more_connections_is_away_and_says_why(own_redis, caplog):
    """It speaks and closes before it was asked anything."""
    first, second = Wire(Address("127.0.0.1", own_redis.port)), Wire(Address("127.0.0.1", own_redis.port))
    dial = second._dial

    async def slowly():
        await dial()
        await asyncio.sleep(0.05)

    second._dial = slowly
    await first.call(command("CONFIG", "SET", "maxclients", 1))
    for _ in range(5):
        with pytest.raises(RedisUnavailable, match="max number of clients reached"):
            await second.connect()
        await asyncio.sleep(0.1)
    await first.call(command("CONFIG", "SET", "maxclients", 100))
    await eventually(lambda: connects(second))
    await first.close()
    await second.close()
    assert caplog.text == ""
