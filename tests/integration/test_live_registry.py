"""Viewers come and go; watchers and checks live exactly as long as somebody looks. Nobody slow costs the others."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from autobahn.exception import Disconnected

from dashboard.grants import Grants
from dashboard.live import consumer as consuming
from dashboard.live import guard
from dashboard.live import registry as keeping
from dashboard.live.codes import RECONNECT, Close
from dashboard.live.consumer import LiveConsumer
from dashboard.live.fragments import FRAME_CHARS, LARGEST_CHARS, Fragment, draw, fragment, frames
from dashboard.live.line import Line
from dashboard.live.registry import Registry, registry
from dashboard.live.viewer import Place
from queues.abilities import ABILITIES
from queues.actions.actor import Actor
from queues.lookups import snapshot as snapshots
from tests.eventually import eventually
from tests.planting import plant_waiting
from tests.watching import Onlooker, Screen

# The last hour of every queue is read from the mirror's tables.
pytestmark = pytest.mark.django_db

EVERYTHING = Grants(Actor(None, ""), frozenset(ABILITIES))
ROOT = Path(__file__).resolve().parents[2]


def live_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("live ")]


@pytest.fixture(autouse=True)
async def _allowed(monkeypatch):
    """Everybody may look, at first."""
    monkeypatch.setattr(guard, "judged", lambda keys: answer(dict.fromkeys(keys, EVERYTHING)))
    yield
    await registry().stop()
    await snapshots.forget()
    assert not live_tasks()


async def answer(value: Any) -> Any:
    return value


async def test_watcher_and_checks_start_with_the_first_viewer_and_end_after_the_last(connection, monkeypatch):
    monkeypatch.setattr(keeping, "LOOK_S", 0.05)
    monkeypatch.setattr(keeping, "LINGER_S", 0.1)
    await plant_waiting(connection, "chat")
    one, two = Onlooker(), Onlooker("chat")
    assert not live_tasks()
    await registry().join(one)
    await registry().join(two)
    assert sorted(live_tasks()) == ["live guard", "live keeper", "live watcher default"]
    await eventually(lambda: one.shown and two.shown and two.looks)
    registry().leave(one)
    registry().leave(one)
    assert live_tasks()
    registry().leave(two)
    await eventually(lambda: not live_tasks())
    await registry().join(one)
    await eventually(lambda: len(live_tasks()) == 3)


async def test_stopping_twice_and_starting_again(connection):
    viewer = Onlooker()
    await registry().stop()
    await registry().join(viewer)
    await registry().stop()
    await registry().stop()
    assert not live_tasks()
    await registry().join(viewer)
    await eventually(lambda: viewer.shown)


async def test_whoever_may_no_longer_look_is_dismissed(connection, monkeypatch):
    monkeypatch.setattr(keeping, "CHECK_S", 0.05)
    asked = []

    def judged(keys: set[str]) -> Any:
        asked.append(keys)
        return answer(dict.fromkeys(keys, EVERYTHING) | {"gone": Close.SIGNED_OUT})

    monkeypatch.setattr(guard, "judged", judged)
    stays, tabs = Onlooker(session="stays"), [Onlooker(session="gone") for _ in range(3)]
    for viewer in (stays, *tabs):
        await registry().join(viewer)
    await eventually(lambda: all(tab.dismissed == Close.SIGNED_OUT for tab in tabs))
    assert stays.dismissed is None
    assert asked[0] == {"stays", "gone"}


async def test_where_nobody_can_say_who_may_look_for_long_nobody_looks(connection, monkeypatch, caplog):
    monkeypatch.setattr(keeping, "CHECK_S", 0.05)

    async def broken(keys: set[str]) -> Any:
        raise OSError("no database")

    monkeypatch.setattr(guard, "judged", broken)
    viewer = Onlooker()
    await registry().join(viewer)
    await eventually(lambda: "sessions could not be checked" in caplog.text)
    assert viewer.dismissed is None
    monkeypatch.setattr(keeping, "BLIND_S", 0.0)
    await eventually(lambda: viewer.dismissed == Close.LATER)


async def test_there_is_room_for_so_many_and_no_more(monkeypatch):
    monkeypatch.setattr(keeping, "MOST_PER_SESSION", 2)
    monkeypatch.setattr(keeping, "MOST_SOCKETS", 3)
    full = Registry()
    full.viewers |= {Onlooker(session="a"), Onlooker(session="a")}
    assert not full.has_room("a")
    assert full.has_room("b")
    full.viewers.add(Onlooker(session="b"))
    assert not full.has_room("c")


# --- the consumer under a server that makes senders wait


class Server:
    """An ASGI server's side of one socket; while `is_held`, a send waits as uvicorn's does for a slow client."""

    def __init__(self, query: str = "", session: str = "s") -> None:
        self.screen, self.code, self.is_held = Screen(), None, asyncio.Event()
        self.is_held.set()
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "query_string": query.encode(), "session_key": session}
        self.task = asyncio.create_task(LiveConsumer()(scope, self.incoming.get, self.send), name="server")

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await self.is_held.wait()
            self.screen.take(message["text"])
        elif message["type"] == "websocket.close":
            self.code = message["code"]

    async def leave(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.mark.django_db(transaction=True)
async def test_a_tab_closed_while_it_is_sent_to_is_no_error(connection, caplog):
    class Gone(Server):
        async def send(self, message: dict[str, Any]) -> None:
            if message["type"] == "websocket.send":
                raise Disconnected("Attempt to send on a closed protocol")
            await super().send(message)

    await plant_waiting(connection, "chat")
    tab = Gone("queue=chat")
    await eventually(lambda: tab.code)
    await tab.leave()
    assert not caplog.records


@pytest.mark.django_db(transaction=True)
async def test_a_slow_viewer_misses_messages_and_is_then_told_all_at_once(connection, monkeypatch):
    monkeypatch.setattr(keeping, "LOOK_S", 0.05)
    monkeypatch.setattr(consuming, "MOST_WAITING", 1)
    await plant_waiting(connection, "chat")
    slow, quick = Server("queue=chat"), Server("queue=chat")
    await eventually(lambda: slow.screen.count("chat", "waiting") == 1)
    slow.is_held.clear()
    for n in range(2, 7):
        await plant_waiting(connection, "chat")
        await eventually(lambda n=n: quick.screen.count("chat", "waiting") == n)
    slow.screen.clear()
    slow.is_held.set()
    await eventually(lambda: slow.screen.count("chat", "waiting") == 6)
    assert slow.screen.times["count__chat__waiting"] <= 4
    await slow.leave()
    await quick.leave()


@pytest.mark.django_db(transaction=True)
async def test_a_viewer_whose_server_waits_for_ever_is_ended(connection, monkeypatch):
    monkeypatch.setattr(keeping, "LOOK_S", 0.05)
    monkeypatch.setattr(consuming, "STUCK_S", 0.2)
    monkeypatch.setattr(consuming, "CLOSING_S", 0.1)
    await plant_waiting(connection, "chat")
    stuck = Server("queue=chat")
    stuck.is_held.clear()
    await eventually(lambda: stuck.task.done())
    assert stuck.task.cancelled()
    assert not registry().viewers


@pytest.mark.django_db(transaction=True)
async def test_a_consumer_that_is_cancelled_leaves(connection):
    one = Server()
    await eventually(lambda: one.screen.shown)
    one.task.cancel()
    await asyncio.gather(one.task, return_exceptions=True)
    assert not registry().viewers


@pytest.mark.django_db(transaction=True)
async def test_without_a_session_or_a_database_nobody_is_let_in(connection, monkeypatch):
    nobody = Server(session="")
    await eventually(lambda: nobody.code == Close.SIGNED_OUT)
    monkeypatch.setattr(guard, "judged", lambda keys: 1 / 0)
    somebody = Server()
    await eventually(lambda: somebody.code == Close.LATER)
    assert not registry().viewers
    await nobody.leave()
    await somebody.leave()


def test_an_unknown_server_hides_how_much_waits():
    line = Line(lambda message: None)
    assert not line.is_known
    assert line.unsent == 0
    line.abort()


# --- addresses, fragments, codes


@pytest.mark.parametrize(
    ("query", "place"),
    [
        (b"", Place()),
        (b"queue=a%2Fb&job=%C3%BC", Place(queue="a/b", job="\xfc")),
        (b"connection=other&since=1700000000123&seen=1.1.2.3", Place("other", since=1_700_000_000.123, seen="1.1.2.3")),
        (b"since=-1", Place()),
        (b"since=9" + b"9" * 400, Place()),
        (b"since=%D9%A3", Place()),
        (b"queue=%FF", Place(queue="\ufffd")),
        (b"\xff=\xff", Place()),
        (b"&".join(b"queue=x" for _ in range(100)), Place()),
        (b"queue=" + b"x" * 5000, Place(queue="x" * 1024)),
    ],
)
def test_an_address_is_read_and_an_odd_one_only_narrows_nothing(query, place):
    assert Place.of(query) == place


def test_what_does_not_begin_with_an_addressable_element_is_no_fragment():
    assert fragment("x.html", '\n<tr id="queue-row__a" class="x">') == Fragment(
        "queue-row__a", '<tr id="queue-row__a" class="x">'
    )
    for html in (
        "",
        "text",
        "<p>",
        '<p id="a b">',
        '<p id="a.b">',
        '<p id="1">',
        '<p data-id="a">',
        '<p title=" id=a">',
    ):
        with pytest.raises(ValueError, match=r"x\.html"):
            fragment("x.html", html)


def test_messages_are_cut_between_fragments_and_an_absurd_fragment_stays_behind():
    small = [Fragment(f"a{n}", f'<p id="a{n}">' + "x" * 3000) for n in range(20)]
    absurd = Fragment("b", "x" * (LARGEST_CHARS + 1))
    sent = frames([*small[:10], absurd, *small[10:]])
    assert "".join(sent) == "".join(each.partial for each in small)
    assert all(len(frame) <= FRAME_CHARS for frame in sent)
    assert frames([]) == []


def test_a_job_fragment_says_nothing_but_that_it_moved():
    assert draw("job/moved.html").id == "job-moved"


def test_pages_reconnect_after_exactly_the_codes_meant_for_it():
    base = (ROOT / "templates" / "base.html").read_text()
    [codes] = re.findall(r'"reconnectCodes": \[([\d, ]+)\]', base)
    assert tuple(map(int, codes.split(", "))) == RECONNECT
