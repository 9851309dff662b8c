"""Programs that listen, and mean no good: names of hidden queues, memory that only grows, work without end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dashboard.live import commands, listener, pace, socket
from dashboard.live.notice import read_mark, unnamed, write_mark
from queues.errors import Unauthorized
from queues.protocol.together import Mark
from tests.eventually import eventually
from tests.listening import Told, identity, listening
from tests.working import now_ms

ALL = identity()


@pytest.fixture
def told(connection: str, sight: Any, transactional_db: None) -> Told:
    return Told(sight.client, sight.keys.prefix)


async def test_no_place_names_a_queue_that_is_not_seen(told):
    told.job("1", queue="payroll")
    told.job("1", queue="mail")
    async with listening(ALL, identity(queues="mail*")) as (follower, all_, half):
        await all_.subscribe(all=True)
        await half.subscribe(all=True)
        # As it stands after a busy moment of that queue; further on than anything that comes.
        follower.mark = Mark((now_ms() + 3_600_000, 7), "payroll")
        place = (await half.subscribe(all=True))["id"]
        assert (await all_.subscribe(all=True))["id"] == write_mark(follower.mark)
        assert half.place(follower.mark) == place == write_mark(unnamed(follower.mark))
        # What comes in the same millisecond is not left out for that.
        assert (read_mark(place) or Mark((0, 0))).of("mail") < (follower.mark.position[0], 0)
        told.event("active", "1", "payroll")
        told.event("active", "1", "mail")
        await eventually(lambda: half.steps and len(all_.steps) == 2)
        assert half.steps == [("1", "job:started")]
        assert "payroll" not in json.dumps(half.heard)


async def test_queues_that_nobody_has_are_forgotten_with_the_last_who_named_them(told, monkeypatch):
    monkeypatch.setattr(listener, "MOST_KNOWN", 20)
    async with listening(ALL) as (follower, ear):
        for at in range(40):
            name = f"nobody-has-{at}"
            await ear.subscribe(queue=name)
            await ear.say(action="unsubscribe", queue=name)
        assert not follower._named
        assert len(ear._known) <= 20


async def test_a_look_back_leaves_others_their_turns_and_there_are_only_so_many(told, monkeypatch):
    monkeypatch.setattr(pace, "STRETCH_S", 0.0)
    told.job("1")
    for _at in range(60):
        told.event("active", "1")
    async with listening(ALL) as (_follower, ear):
        await ear.subscribe(queue="chat")
        seen: set[int] = set()

        async def watch() -> None:
            while True:
                seen.add(len(ear._mail))
                await asyncio.sleep(0)

        watching = asyncio.create_task(watch())
        await ear.subscribe(queue="chat", since="0-1")
        await eventually(lambda: len(ear.told) == 60)
        watching.cancel()
        await asyncio.wait({watching})
        assert max(seen) < 30, "all of the past is told in one go"
        monkeypatch.setattr(commands, "MOST_LOOKS_BACK", 0)
        assert (await ear.subscribe(queue="chat", since="0-1"))["code"] == "invalid_input"


async def test_no_socket_is_open_before_it_is_known_who_asks(monkeypatch):
    """What is sent to an open one waits in memory."""
    sent: list[str] = []
    asked: list[tuple[list[str], str]] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(told: dict[str, Any]) -> None:
        sent.append(told["type"])

    async def identify(*_shown: Any, token: str, place: str) -> None:
        asked.append((list(sent), token))
        raise Unauthorized("nobody")

    monkeypatch.setattr(socket, "identify", identify)
    odd = "&".join(["token=t", *(f"x{at}=1" for at in range(100))])
    await socket.socket({"query_string": odd.encode(), "toril_headers": {}}, receive, send)
    assert asked == [([], "t")]
    assert sent == ["websocket.accept", "websocket.close"]
