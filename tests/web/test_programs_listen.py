"""`/api/ws` and `/api/events` on the real server: who is let in, what arrives, and what no client can do to it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx
import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dashboard.live.codes import Close
from tests.conftest import RedisServer
from tests.eventually import eventually
from tests.listening import SETTINGS, Told, service, token
from tests.stand import Stand
from tests.tabs import Stuck, cookie_of, memory

PREFIX = "programs"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("programs")
    opened = Stand(folder, redis_server.url, PREFIX, STAND_TORIL=json.dumps(SETTINGS), TORIL_DEMO="0")
    opened.web()
    yield opened

    # Whichever of these tests ran, one address with a token was asked.
    assert httpx.get(f"{opened.address}/api/events?token=eyJhbGciOiJub25lIn0.e30.e30", timeout=30).status_code == 401
    opened.close()
    written = opened.log("web")
    assert "/api/events?" in written, "the server tells what was asked of it"
    assert "token=ey" not in written, "a token is in the log"


@pytest.fixture
def told(client_of_redis: redis.Redis) -> Told:
    """A queue of this test's own."""
    return Told(client_of_redis, PREFIX, f"q-{uuid.uuid4().hex[:8]}")


class Heard:
    """A program at its socket."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws, self.messages, self.code = ws, list[dict[str, Any]](), None
        self._reading = asyncio.create_task(self._read(), name="program")

    async def _read(self) -> None:
        try:
            async for message in self.ws:
                self.messages.append(json.loads(message))
        except ConnectionClosed:
            pass
        self.code = self.ws.close_code

    async def say(self, action: str, **said: Any) -> dict[str, Any]:
        before = len(self.of("subscribed", "error", "pong", "unsubscribed"))
        await self.ws.send(json.dumps({"action": action, **said}))
        await eventually(lambda: self.of("subscribed", "error", "pong", "unsubscribed")[before:], what="an answer")
        return self.of("subscribed", "error", "pong", "unsubscribed")[before]

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] in types]

    async def closed(self) -> int:
        return await eventually(lambda: self.code, 20, "the server closes the socket")

    async def close(self) -> None:
        await self.ws.close()
        await self._reading


@asynccontextmanager
async def program(stand: Stand, query: str = "", origin: str | None = None, **headers: str) -> AsyncIterator[Heard]:
    address = f"{stand.address.replace('http', 'ws')}/api/ws{query}"
    async with connect(address, origin=origin, additional_headers=headers, max_size=None) as ws:
        heard = Heard(ws)
        try:
            yield heard
        finally:
            await heard.close()


async def refused(stand: Stand, query: str = "", origin: str | None = None, **headers: str) -> bool:
    try:
        async with program(stand, query, origin, **headers):
            return False
    except InvalidStatus as error:
        return error.response.status_code == 403


async def test_the_holder_of_a_token_hears_of_their_conversation_and_of_no_other(stand, told):
    queue = told.keys.queue
    told.job("1", queue=queue, conversationId="c1", messageId="m1", userId="u1")
    told.job("2", queue=queue, conversationId="c1", messageId="m2", userId="u2")
    async with program(stand, f"?token={token('u1')}") as ours:
        assert (await ours.say("ping"))["type"] == "pong"
        answer = await ours.say("subscribe", conversationId="c1", queue=queue)
        assert answer.items() >= {"type": "subscribed", "conversationId": "c1"}.items()
        for job_id in ("2", "1"):
            told.event("active", job_id, queue)
            told.event("progress", job_id, queue, data=json.dumps({"stage": "thinking", "percent": 40}))
            told.event("completed", job_id, queue, returnvalue='"secret"')
        await eventually(lambda: ours.of("job:completed"))
        assert {each["jobId"] for each in ours.messages if "jobId" in each} == {"1"}
        assert ours.of("job:started")[0].items() >= {"jobId": "1", "conversationId": "c1", "messageId": "m1"}.items()
        assert ours.of("job:progress")[0]["progress"] == {"stage": "thinking", "percent": 40}
        beat = (await eventually(lambda: ours.of("heartbeat")))[-1]
        assert (await ours.say("subscribe", conversationId="c1", text="x"))["code"] == "invalid_input"
        assert (await ours.say("dance"))["code"] == "invalid_input"
        place = ours.of("job:started")[0]["id"]
    async with program(stand, f"?token={token('u1')}") as again:
        await again.say("subscribe", conversationId="c1", queue=queue, since=place)
        await eventually(lambda: again.of("job:completed"))
        assert not again.of("job:started", "gap")
        assert beat["id"]


async def test_who_shows_nothing_or_comes_from_another_site_is_not_let_in(stand):
    with closing(stand.signed_in("vera")) as vera:
        cookie, good = cookie_of(vera), service("origins")
        bearer = {"Authorization": f"Bearer {good}"}
        # Of whoever shows nothing but a cookie, pages of this very site alone.
        assert await refused(stand)
        assert await refused(stand, **cookie)
        assert await refused(stand, origin="https://evil.example", **cookie)
        assert await refused(stand, origin="https://app.example", **cookie)
        assert await refused(stand, f"?token={good}", origin="https://evil.example")
        assert await refused(stand, origin="null", **bearer)
        for query, origin, headers in (
            ("", stand.address, cookie),
            (f"?token={good}", "https://app.example", {}),
            (f"?token={good}", None, {}),
            ("", None, bearer),
        ):
            async with program(stand, query, origin, **headers) as heard:
                assert (await heard.say("ping"))["type"] == "pong"
        for query, origin, code in (
            ("", stand.address, Close.SIGNED_OUT),
            ("?token=x.y.z", None, Close.SIGNED_OUT),
            (f"?token={service(key='another secret that is long enough')}", None, Close.SIGNED_OUT),
            (f"?token={good}&connection=nowhere", None, Close.UNKNOWN),
        ):
            async with program(stand, query, origin) as heard:
                assert await heard.closed() == code, query


async def test_what_no_program_says_ends_its_socket(stand):
    for said in ("x" * 20_000, "[" * 15_000):
        async with program(stand, f"?token={service('rude')}") as heard:
            await heard.ws.send(said)
            if said[0] == "[":
                await eventually(lambda h=heard: h.of("error"))
            else:
                assert await heard.closed() == Close.MISBEHAVED
    async with program(stand, f"?token={service('flood')}") as heard:
        for _ in range(300):
            await heard.ws.send('{"action":"ping"}')
        assert await heard.closed() == Close.MISBEHAVED


async def test_who_does_not_read_is_dropped_and_whose_token_is_over_is_closed(stand, told):
    queue, before = told.keys.queue, memory(stand)
    told.job("1", queue=queue, conversationId="c1")
    stuck = Stuck(stand, f"/api/ws?token={service('stuck')}")
    stuck.say(json.dumps({"action": "subscribe", "queue": queue}))
    try:
        # A token is good for its leeway more.
        short = f"?token={service('brief', lasts_s=1)}"
        async with program(stand, f"?token={service('live')}") as lively, program(stand, short) as brief:
            await lively.say("subscribe", queue=queue)
            text = "x" * 6_000
            with told.client.pipeline(transaction=False) as pipe:
                for _ in range(1_500):
                    pipe.xadd(told.keys("events"), {"event": "own", "jobId": "1", "text": text}, maxlen=20_000)
                pipe.execute()
            await eventually(lambda: len(lively.of("own")) == 1_500, 60)
            await eventually(stuck.is_dropped, 60)
            assert await brief.closed() == Close.SIGNED_OUT
        assert memory(stand) - before < 120 * 2**20
    finally:
        stuck.close()


# --- Server-Sent Events


class Stream:
    """A program that reads events as they come."""

    def __init__(self) -> None:
        self.text = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        blocks = [block for block in self.text.split("\n\n") if "\ndata: " in block]
        return [json.loads(block.partition("\ndata: ")[2]) for block in blocks]

    @property
    def ids(self) -> list[str]:
        return [line[4:] for line in self.text.split("\n") if line.startswith("id: ")]


@asynccontextmanager
async def stream(stand: Stand, query: str, **headers: str) -> AsyncIterator[Stream]:
    read = Stream()
    async with (
        httpx.AsyncClient(base_url=stand.address, timeout=60) as client,
        client.stream("GET", f"/api/events?{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["Content-Type"] == "text/event-stream"

        async def go_on() -> None:
            async for text in answer.aiter_text():
                read.text += text

        reading = asyncio.create_task(go_on())
        try:
            yield read
        finally:
            reading.cancel()
            await asyncio.wait({reading})


async def test_a_stream_is_told_the_same_and_goes_on_where_it_left(stand, told):
    queue, bearer = told.keys.queue, {"Authorization": f"Bearer {service('sse')}"}
    told.job("1", queue=queue, conversationId="c1")
    async with stream(stand, f"queue={queue}", **bearer) as first:
        await eventually(lambda: "subscribed" in first.text)
        told.event("active", "1", queue)
        await eventually(lambda: [each["type"] for each in first.events] == ["subscribed", "job:started"])
        # A heartbeat is a comment, and moves the place on.
        place = first.ids[-1]
        await eventually(lambda: ": heartbeat" in first.text and first.ids[-1] != place)
        place = first.ids[-1]
    told.event("completed", "1", queue, returnvalue="1")
    async with stream(stand, f"queue={queue}", **bearer, **{"Last-Event-ID": place}) as second:
        await eventually(lambda: [each["type"] for each in second.events][1:] == ["job:completed"])
    told.client.xtrim(told.keys("events"), maxlen=0, approximate=False)
    told.event("failed", "1", queue)
    async with stream(stand, f"conversationId=c1&token={service('sse')}", **{"Last-Event-ID": place}) as third:
        await eventually(lambda: {"gap", "job:failed"} <= {each["type"] for each in third.events})


async def test_streams_end_with_their_readers_and_are_refused_with_a_reason(stand, told):
    bearer = {"Authorization": f"Bearer {service('many')}"}
    async with httpx.AsyncClient(base_url=stand.address, timeout=30) as client:
        for _ in range(2):
            async with stream(stand, "", **bearer), stream(stand, "", **bearer), stream(stand, "", **bearer):
                full = await client.get("/api/events", headers=bearer)
                assert (full.status_code, full.json()["error"]["code"]) == (503, "no_room")

            async def has_room() -> bool:
                answer = await client.get("/api/events?queue=", headers=bearer)
                return answer.status_code == 400

            await eventually(has_room)
        assert (await client.head("/api/events", headers=bearer)).status_code == 200
        for query, headers, status, code in (
            ("", {}, 401, "credentials_missing"),
            ("token=x", {}, 401, "credentials_invalid"),
            ("by=x", bearer, 400, "invalid_input"),
            ("queue=a&since=x", bearer, 400, "invalid_input"),
            ("connection=nowhere", bearer, 404, None),
            ("", {**bearer, "Origin": "https://evil.example"}, 403, "forbidden"),
        ):
            answer = await client.get(f"/api/events?{query}", headers=headers)
            assert answer.status_code == status, (query, answer.text)
            assert code is None or answer.json()["error"]["code"] == code
        assert (await client.post("/api/events", headers=bearer)).status_code == 405
    async with stream(stand, f"token={service('site')}", Origin="https://app.example") as shared:
        await eventually(lambda: "retry: " in shared.text)


async def test_curl_shows_what_happens(stand, told):
    queue = told.keys.queue
    told.job("1", queue=queue)
    curl = await asyncio.create_subprocess_exec(
        "curl",
        "-sN",
        "-H",
        f"Authorization: Bearer {service('curl')}",
        f"{stand.address}/api/events?queue={queue}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert curl.stdout is not None
    try:
        read = b""
        while b"subscribed" not in read:
            read += await asyncio.wait_for(curl.stdout.read(1_000), 30)
        told.event("active", "1", queue)
        while b"event: job:started\ndata: {" not in read:
            read += await asyncio.wait_for(curl.stdout.read(1_000), 30)
    finally:
        curl.kill()
        await curl.wait()
