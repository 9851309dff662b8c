"""A search through a state: bounded, exact where it is small, and sure of its place while jobs come and go."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

from queues.lookups import scan as scanning
from queues.lookups.crowd import MOST_OF_ONE, Busy
from queues.lookups.filters import SORTS, Filter
from queues.lookups.lists import latest
from queues.lookups.scan import Asked, scan
from queues.protocol.commands import command
from queues.protocol.connections import open_wire
from queues.protocol.reads.scan import Place, Walk
from queues.states import State
from tests.handmade import HandmadeQueue, names
from tests.planting import plant_failed

NOW = 1_800_000_000_000


@pytest.fixture
def chat(connection, client_of_redis, prefix) -> HandmadeQueue:
    return HandmadeQueue(client_of_redis, prefix)


def asked(state: State = State.FAILED, at_ms: int = NOW, **more) -> Asked:
    parts = {
        key: more.pop(key) for key in ("is_reversed", "after", "sort", "is_descending", "mask", "who") if key in more
    }
    return Asked("default", "chat", state, Filter(**more), at_ms, **parts)


async def test_few_jobs_are_searched_to_the_end_and_the_answer_is_exact(chat):
    chat.scored("failed", names("a", 600), name="Send-Mail", atm=3)
    chat.scored("failed", names("b", 399), first=1000, name="noise", atm=1)
    found = await scan(asked(name="mail"))
    assert (len(found.ids), found.searched, found.total, found.is_whole) == (600, 999, 999, True)
    assert found.ids[0] == "a00599"
    assert len((await scan(asked(attempts=("<=", 2)))).ids) == 399
    assert len((await scan(asked(attempts=("=", 3), name="noise"))).ids) == 0
    assert (await scan(asked(id_prefix="b0000"))).ids == [f"b0000{n}" for n in range(9, -1, -1)]


async def test_ages_count_from_the_end_of_a_finished_job_and_from_the_adding_of_others(chat):
    chat.scored("failed", ["old"], finishedOn=NOW - 7_200_000)
    chat.scored("failed", ["new"], finishedOn=NOW - 60_000)
    chat.scored("failed", ["none"])
    assert (await scan(asked(older_ms=3_600_000))).ids == ["old"]
    assert (await scan(asked(newer_ms=3_600_000))).ids == ["new"]
    assert set((await scan(asked(until_ms=NOW - 3_600_000))).ids) == {"old", "none"}
    chat.waiting(["w"], age_ms=0)
    assert (await scan(asked(State.WAITING, at_ms=int(time.time() * 1000) + 5_000, newer_ms=60_000))).ids == ["w"]


@pytest.mark.parametrize(
    ("held", "wanted"),
    [('{"user":{"id":42}}', '"id":42'), ('{"t":"caf\\u00e9"}', "CAFÉ"), ('{"t":"café"}', "café"), ("{corrupt", "corr")],
)
async def test_text_is_found_as_it_is_written_and_as_json_escapes_it(chat, held, wanted):
    chat.scored("failed", ["1"], data=held)
    chat.scored("failed", ["2"], data="{}", failedReason="nothing of it")
    assert (await scan(asked(text=wanted))).ids == ["1"]
    assert (await scan(asked(text="NOTHING of"))).ids == ["2"]


async def test_what_a_mask_hides_is_not_found(chat):
    chat.scored("failed", ["1"], data='{"password":"hunter2","note":"plain"}')

    def hide(text: str) -> str:
        return text.replace("hunter2", "•••")

    assert (await scan(asked(text="hunter2"))).ids == ["1"]
    assert (await scan(asked(text="hunter2", mask=hide))).ids == []
    assert (await scan(asked(text="plain", mask=hide))).ids == ["1"]


async def test_a_mask_that_takes_long_is_waited_for_no_longer_than_a_search_may_last(chat, monkeypatch):
    monkeypatch.setattr(scanning, "FEW_S", 0.3)
    chat.scored("failed", names("m", 40), data=json.dumps({"x": "needle" * 4_000}))
    masked: list[int] = []

    def slow(text: str) -> str:
        assert threading.current_thread() is not threading.main_thread()
        masked.append(len(text))
        time.sleep(0.1)
        return text

    found = await scan(asked(text="needle", mask=slow))
    assert found.after is not None
    assert found.searched == len(masked) < 20


async def test_one_person_has_few_searches_under_way_and_others_find_room(chat):
    chat.scored("failed", ["1"], data='{"note":"plain"}')

    def slow(text: str) -> str:
        time.sleep(0.2)
        return text

    one = [scan(asked(text="plain", mask=slow, who=1)) for _ in range(8)]
    other = scan(asked(text="plain", mask=slow, who=2))
    *answers, last = await asyncio.gather(*one, other, return_exceptions=True)
    assert [type(answer) for answer in answers].count(Busy) == 8 - MOST_OF_ONE
    assert last.ids == ["1"]
    assert (await scan(asked(text="plain", who=1))).ids == ["1"]


async def test_a_search_stops_at_its_bounds_and_goes_on_where_it_stopped(chat, monkeypatch):
    monkeypatch.setattr(scanning, "MOST_S", 30.0)
    ids = names("j", 2_500)
    chat.scored("failed", ids, name="work")
    seen, after, pieces = [], None, 0
    while pieces == 0 or after is not None:
        found = await scan(asked(name="work", after=after), most_jobs=1_000)
        seen += found.ids
        pieces, after = pieces + 1, found.after and Place.read(str(found.after))
    assert (seen, pieces) == (ids[::-1], 3)
    monkeypatch.setattr(scanning, "MOST_S", 0.0)
    found = await scan(asked(name="work"))
    assert (found.searched, found.is_whole, found.first) == (500, False, 1)


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_no_job_that_stays_is_missed_while_others_come_and_go(chat, is_reversed):
    ids = names("j", 3_000)
    chat.scored("failed", ids)
    # Many of one score, so that only their names tell their order.
    chat.client.zadd(f"{chat.base}failed", dict.fromkeys(ids[1000:2000], 500))
    walk, seen = Walk("default", "chat", State.FAILED, is_reversed), []
    for turn in range(200):
        if not (step := await walk.step(100)):
            break
        seen += step
        # The one it stands on goes, others with it, and as many come at the front.
        chat.client.zrem(f"{chat.base}failed", *{step[-1], step[0]})
        chat.client.zadd(f"{chat.base}failed", {f"new{turn}-{n}": 10_000 + turn for n in range(7)})
    assert set(ids) <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_a_list_is_walked_to_its_end_while_workers_take_from_it(chat, is_reversed):
    ids = names("j", 1_000)
    chat.waiting(ids)
    chat.waiting(["parked"], suffix="paused")
    walk, seen = Walk("default", "chat", State.WAITING, is_reversed), []
    taken: set[str] = set()
    for turn in range(100):
        if not (step := await walk.step(100)):
            break
        seen += step
        taken |= {one.decode() for one in (chat.client.rpop(f"{chat.base}wait", 3) or [])}
        if not is_reversed:
            chat.client.lpush(f"{chat.base}wait", f"new{turn}") if turn < 5 else None
    assert {*ids, "parked"} - taken <= set(seen)


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_pages_of_a_list_neither_repeat_nor_skip_what_stays_whoever_takes_removes_and_adds(chat, is_reversed):
    ids = names("j", 400)
    chat.waiting(ids)
    place, seen, gone = None, [], set()
    for turn in range(100):
        # As programs do: each page is asked for anew, by the place that the one before ended at.
        walk = Walk("default", "chat", State.WAITING, is_reversed, place)
        if not (step := await walk.step(10)):
            break
        seen += step
        place = walk.place
        # The last three seen are removed, a worker takes from one end, and others are added at the other.
        gone |= {*step[-3:], *(one.decode() for one in (chat.client.rpop(f"{chat.base}wait", 2) or []))}
        for job_id in step[-3:]:
            chat.client.lrem(f"{chat.base}wait", 1, job_id)
        if turn < 20:
            chat.client.lpush(f"{chat.base}wait", *(f"new{turn}-{n}" for n in range(3)))
    assert len(seen) == len(set(seen))
    assert set(ids) - gone <= set(seen)
    assert turn < 99


async def test_a_place_of_which_nothing_is_left_leads_on(chat):
    ids = names("j", 100)
    chat.waiting(ids)
    newest = Walk("default", "chat", State.WAITING, True)
    await newest.step(90)
    # A worker overtakes it: whatever is left was added later.
    chat.client.delete(f"{chat.base}wait")
    chat.client.lpush(f"{chat.base}wait", *(f"new{n}" for n in range(60)))
    behind = Walk("default", "chat", State.WAITING, True, newest.place)
    assert len(await behind.step(100)) == 10
    assert not await behind.step(100)


async def test_other_columns_sort_what_was_searched_and_those_without_a_value_stand_last(chat):
    chat.scored("failed", ["a"], processedOn=1_000, finishedOn=5_000)
    chat.scored("failed", ["b"], processedOn=1_000, finishedOn=2_000)
    chat.scored("failed", ["c"])
    assert (await scan(asked(sort=SORTS["ran"]))).ids == ["b", "a", "c"]
    assert (await scan(asked(sort=SORTS["ran"], is_descending=True))).ids == ["a", "b", "c"]


async def test_a_large_payload_is_measured_and_left_out_and_that_is_said(chat):
    chat.scored("failed", names("big", 3), data='"' + "x" * 3_000_000 + 'needle"')
    chat.scored("failed", ["small"], data='"needle"')
    before = chat.client.info("stats")["total_net_output_bytes"]
    found = await scan(asked(text="needle"))
    assert (found.ids, found.too_large) == (["small"], 3)
    assert chat.client.info("stats")["total_net_output_bytes"] - before < 100_000


async def test_a_name_filter_reads_no_payload_and_an_id_no_job_at_all(chat):
    chat.scored("failed", names("j", 50), data='"' + "x" * 50_000 + '"', name="n" * 100_000)
    before = chat.client.info("stats")["total_net_output_bytes"]
    assert (await scan(asked(name="n"))).ids == []
    assert len((await scan(asked(id_prefix="j0000"))).ids) == 10
    assert chat.client.info("stats")["total_net_output_bytes"] - before < 60_000


@pytest.mark.parametrize("odd", ["", "x", "0,1", "0,1,abc,7", "-1,2,3,x", "0,2,nan,x", "0,٣,1,x"])
def test_what_is_no_place_is_none(odd):
    assert Place.read(odd) is None


@pytest.mark.parametrize("job_id", ["7", "a,b,c", "", "🐂 '\"<b>", "1,2,3,4"])
def test_a_place_survives_its_writing(job_id):
    place = Place(1, 42, "1.5e+300", job_id)
    assert Place.read(str(place)) == place


async def test_latest_asks_once_for_ids_and_once_for_jobs(chat, connection):
    chat.scored("failed", names("f", 30), finishedOn=NOW)
    chat.waiting(["w"], age_ms=0)
    before = chat.client.info("stats")["total_commands_processed"]
    jobs = await latest(connection, "chat", 25)
    assert chat.client.info("stats")["total_commands_processed"] - before < 25
    assert sorted(job.state for job in jobs) == ["failed"] * 3 + ["waiting"]


async def test_ten_thousand_of_three_hundred_thousand_are_searched_in_a_blink_and_others_feel_little(
    chat, connection, record_property, monkeypatch, watch
):
    # How busy this machine is shall not cut the search short.
    monkeypatch.setattr(scanning, "MOST_S", 30.0)
    plant_failed(chat.client, chat.base.split(":")[0], "chat", 30_000, data=json.dumps({"t": "x" * 400}))
    members = {f"ghost{n}": 1 for n in range(270_000)}
    for at in range(0, len(members), 90_000):
        chat.client.zadd(f"{chat.base}failed", dict(list(members.items())[at : at + 90_000]))
    other, waits, best = open_wire(connection), [], 9.0
    await other.connect()

    async def ask() -> None:
        while True:
            began = time.perf_counter()
            await other.call(command("GET", "nothing"))
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.001)

    asking = asyncio.create_task(ask())
    for _ in range(3):
        began = time.perf_counter()
        found = await scan(asked(name="nobody"))
        best = min(best, time.perf_counter() - began)
    asking.cancel()
    await other.close()
    assert (found.searched, found.total, found.ids) == (10_000, 300_000, [])
    waits.sort()
    p99 = waits[int(len(waits) * 0.99)] * 1000
    record_property("figures", f"{best * 1000:.0f} ms; p99 of others' GET in the same process {p99:.1f} ms")
    assert best < 3 * watch.slowness
