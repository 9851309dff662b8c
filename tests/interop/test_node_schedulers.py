"""Schedulers that Node made: who runs an iteration adds the next, and it does not matter whether Node does or we do."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from datetime import datetime
from typing import Any

import pytest

from queues.errors import InvalidInput
from queues.protocol import cron
from tests.eventually import eventually
from tests.interop.nodes import Ask, Node
from tests.working import working

pytestmark = pytest.mark.node


async def nothing(job):
    return None


async def schedule(node: Ask, scheduler: str, repeat: dict[str, Any], template: dict[str, Any] | None = None) -> str:
    """The id of the first job."""
    (made,) = await node("ask", [["upsertJobScheduler", scheduler, repeat, template or {"name": "tick"}]])
    return str(made["id"])


def slot(job_id: str) -> int:
    """The moment (ms) that an iteration stands for."""
    return int(job_id.rpartition(":")[2])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# --- every


async def test_a_beat_of_less_than_a_second_leaves_none_out(connection, node, sight):
    """With the PyPI Worker 700 ms fired every 1,400: it waits whole seconds for the marker."""
    ran = []

    async def tick(job):
        ran.append(slot(job.id))

    await schedule(node, "beat", {"every": 140})
    async with working(tick):
        await eventually(lambda: len(ran) >= 9)
    # A machine that is busy for so long may leave one out, as Node would; its own clock may not.
    gaps = [later - earlier for earlier, later in itertools.pairwise(ran[1:])]
    assert gaps.count(140) > len(gaps) // 2, gaps


async def test_an_offset_is_kept_from_beat_to_beat(connection, node, sight):
    ran = []

    async def tick(job):
        ran.append(slot(job.id))

    await schedule(node, "beat", {"every": 200, "offset": 70})
    async with working(tick):
        await eventually(lambda: len(ran) >= 4)
    assert {moment % 200 for moment in ran} == {70}


async def test_a_limit_ends_it(connection, node, sight):
    await schedule(node, "short", {"every": 50, "limit": 3})
    async with working(nothing):
        await sight.until_count("completed", 3)
        await asyncio.sleep(0.15)
    assert len(sight.ids("completed")) == 3
    assert sight.ids("delayed") == []


async def test_it_begins_and_ends_with_its_dates(connection, node, sight):
    ran = []

    async def tick(job):
        ran.append(slot(job.id))

    begin, end = now_ms() + 300, now_ms() + 800
    dates = {"startDate": begin, "endDate": end}
    await schedule(node, "season", {"every": 100, **dates})
    async with working(tick):
        await eventually(lambda: now_ms() > end and not sight.ids("delayed"), what="it is over")
    assert len(ran) >= 2
    assert min(ran) >= begin
    # The iteration that was made before the end still runs.
    assert max(ran) <= end + 200


async def test_the_next_job_is_what_node_would_have_made(connection, node, sight, redis_server, prefix):
    template = {
        "name": "tick",
        "data": {"from": "template", "größe": [1, None]},
        "opts": {
            "attempts": 3,
            "backoff": {"type": "fixed", "delay": 5},
            "priority": 2,
            "removeOnFail": 7,
            "keepLogs": 4,
        },
    }
    rules = {
        "every": {"every": 3_600_000, "offset": 1000, "limit": 9, "endDate": now_ms() + 10**9},
        "pattern": {"pattern": "0 0 4 * * *", "tz": "Europe/Berlin", "limit": 9, "immediately": True},
    }
    made = {}
    for who in ("node", "ours"):
        for name, rule in rules.items():
            first = await schedule(node, f"{name} {who}", rule, template)
            await node("ask", [["promoteJobs"]])
            if who == "node":
                async with Node(redis_server.port, prefix).working():
                    await sight.until("completed", first)
            else:
                async with working(nothing):
                    await sight.until("completed", first)
            (following,) = sight.ids("delayed")
            made[who, name] = _without_times(sight.job(following))
            assert slot(following) - now_ms() < 86_400_000
            await node("ask", [["removeJobScheduler", f"{name} {who}"]])
    for name in rules:
        assert made["ours", name] == made["node", name]


def _without_times(job: dict[str, str]) -> dict[str, Any]:
    opts = json.loads(job.pop("opts"))
    for key in ("timestamp", "delay", "prevMillis", "jobId", "repeatJobKey"):
        assert key in opts or key == "prevMillis"
        opts.pop(key, None)
    for key in ("timestamp", "delay", "rjk"):
        assert job.pop(key)
    return {**job, "opts": opts}


async def test_node_and_we_take_turns(connection, node, sight, redis_server, prefix):
    ours: list[int] = []

    async def tick(job):
        ours.append(slot(job.id))

    async def until_more(ran: list[Any]) -> None:
        enough = len(ran) + 3
        await eventually(lambda: len(ran) >= enough, timeout_s=10)

    await schedule(node, "beat", {"every": 60})
    async with working(tick):
        await until_more(ours)
    async with Node(redis_server.port, prefix).working() as said:
        await until_more(said)
        async with working(tick):
            await until_more(ours)
    assert not [line for line in said if "error" in line]
    both = sorted(ours + [slot(line["ran"]) for line in said if "ran" in line])
    assert len(set(both)) == len(both)
    # Between two workers, and where this machine was too busy for a beat, the script begins a new rhythm.
    gaps = [later - earlier for earlier, later in itertools.pairwise(both)]
    assert gaps.count(60) >= 4, gaps
    # The iteration that waits now is the only one.
    assert len(sight.ids("delayed")) + len(sight.ids("wait")) == 1


# --- cron


@pytest.mark.parametrize(("tz", "hour"), [("Asia/Tokyo", 0), ("America/New_York", None), (None, 9)])
async def test_a_pattern_is_read_in_its_zone_and_in_utc_without_one(connection, node, sight, tz, hour):
    """Without a zone Node takes its process's own; ours is UTC wherever it runs (PROTOCOL.md §5)."""
    rule = {"pattern": "0 30 9 * * *", "immediately": True, **({"tz": tz} if tz else {})}
    first = await schedule(node, "daily", rule)
    async with working(nothing):
        await sight.until("completed", first)
        await eventually(lambda: sight.ids("delayed"))
    (following,) = sight.ids("delayed")
    told, scheduler = await node("ask", [["getJobSchedulersCount"], ["getJobScheduler", "daily"]])
    assert told == 1
    assert scheduler["next"] == slot(following)
    ((expected, *_),) = await node("cron", [["0 30 9 * * *", {"tz": tz or "UTC", "currentDate": slot(first)}]])
    assert slot(following) == expected
    assert hour is None or datetime.fromtimestamp(expected / 1000).astimezone().utctimetuple().tm_hour == hour


async def test_a_pattern_makes_nothing_beyond_its_end(connection, node, sight):
    rule = {"pattern": "0 0 1 1 *", "immediately": True, "endDate": now_ms() + 2000}
    first = await schedule(node, "rare", rule)
    async with working(nothing):
        await sight.until("completed", first)
    assert sight.ids("delayed") == []


PATTERNS = """* * * * *|*/5 * * * *|0 9 * * 1-5|30 2 * * *|0 0 1 * *|0 0 31 * *|0 0 29 2 *|0 9-17/2 * * *|*/10 * * * * *
0 0 * * 0|0 0 * * 7|0 0 * * SUN|0 0 * JAN,JUL *|0 0 L * *|0 12 * * 5L|0 12 * * 1L,3L|0 12 * * 5#2|@hourly|@daily
@weekly|@monthly|@yearly|@weekdays|@weekends|@minutely|@secondly|0 0 13 * 5|? * * * *|0 0 ? * *|0 0 1,15 * 3
59 23 31 12 *|0 0 0 1 1 ?|0 1 * * *|30 1 * * *|0 2 * * *|*/7 * * * *|0/15 * * * *|5-50/15 * * * *|0 */2 * * *
0 22 * * 1-5|23 0-20/2 * * *|0 0-23 * * *|* * * * * *|0 0 * * 1-7|0 0 * * 5-7|* * * *|30 0 * * *|15 3 * 3,10 *
0 0 12 */3 * *"""
REFUSED = [
    "60 * * * *",
    "0 0 30 2 *",
    "0 12 * * L5",
    "0 0 15W * *",
    "0 0 LW * *",
    "@midnight",
    "a b c d e",
    "1 2 3 4 5 6 7",
]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
#: The hours around four changes of the clock, a leap day, and a moment between two seconds.
MOMENTS = [
    "2026-03-08T06:30:00Z",
    "2026-03-29T00:30:00Z",
    "2026-10-25T00:10:00Z",
    "2026-11-01T05:10:00Z",
    "2024-02-28T23:59:59.999Z",
    "2026-11-23T06:40:12.345Z",
]


async def test_patterns_mean_what_they_mean_in_node(node):
    """croniter, which the PyPI Worker asks, has 189 of these 1,470 wrong (an hour off, twice a day) and refuses 240."""
    asked = [
        (pattern, zone, int(datetime.fromisoformat(moment).timestamp() * 1000))
        for pattern in PATTERNS.replace("\n", "|").split("|")
        for zone in ZONES
        for moment in MOMENTS
    ]
    theirs = await node("cron", [[pattern, {"tz": zone, "currentDate": at}] for pattern, zone, at in asked])
    for (pattern, zone, at), expected in zip(asked, theirs, strict=True):
        ours, moment = [], at
        for _ in expected:
            moment = cron.next_ms(pattern, moment, tz=zone)
            ours.append(moment)
        assert ours == expected, (pattern, zone, at)


@pytest.mark.parametrize("pattern", REFUSED)
async def test_what_node_does_not_understand_neither_do_we(node, pattern):
    with pytest.raises(InvalidInput):
        cron.next_ms(pattern, now_ms())
    with pytest.raises(AssertionError):
        await node("cron", [[pattern, {"tz": "UTC", "currentDate": now_ms()}]])


@pytest.mark.parametrize(
    ("pattern", "values"), [("H H * * *", 1), ("H(10-12) 3 * * *", 1), ("H/20 3 * * *", 3), ("0 H(3-40)/30 * * *", 1)]
)
async def test_a_hashed_pattern_draws_a_time(node, pattern, values):
    assert await node("cron", [[pattern, {"tz": "UTC"}]])
    due = [cron.next_ms(pattern, now_ms()) for _ in range(30)]
    assert all(moment > now_ms() for moment in due)
    assert values == 1 or len(set(due)) > 1
