"""`queues list|counts|job|tail|workers`: what they show, for people and for programs, whatever the data holds."""

from __future__ import annotations

import json
import os

import pytest

from queues.console.exits import Exit
from queues.lookups.following import Follower, Gap
from queues.protocol import fleet
from queues.protocol.fleet import Beat, RunningJob, Share
from queues.protocol.keys import FleetKeys
from queues.version import VERSION
from tests.console import plant, queues
from tests.planting import plant_delayed, plant_failed, plant_waiting

pytestmark = pytest.mark.django_db(transaction=True)

EVIL = "\x1b[2J\x1b]0;owned\x07\u202eevil\x9b31m\rfake"


def assert_clean(text: str) -> None:
    """No character that a terminal would obey, or that would turn the text around."""
    assert [char for char in text if not (char.isprintable() or char == "\n")] == []


def test_list_shows_every_queue_with_its_counts(connection, client_of_redis, prefix):
    plant(plant_waiting(connection, "chat"))
    client_of_redis.rpush(f"{prefix}:chat:wait", *range(2, 1_235))
    plant(plant_delayed(connection, "mails", 2))
    client_of_redis.hset(f"{prefix}:mails:meta", "paused", 1)
    ran = queues("list")
    assert ran.code == 0
    head, chat, mails = ran.lines
    assert head.split() == ["queue", "waiting", "active", "delayed", "failed", "completed", "workers"]
    assert chat.split() == ["chat", "1,234", "0", "0", "0", "0", "0"]
    assert mails.split() == ["mails", "paused", "0", "0", "2", "0", "0", "0"]
    assert all(len(line) <= 80 for line in ran.lines)
    found = queues("list", "--json").json
    assert [(one["name"], one["counts"]["waiting"], one["is_paused"]) for one in found["queues"]] == [
        ("chat", 1_234, False),
        ("mails", 0, True),
    ]


def test_an_empty_redis_has_no_queues(connection):
    assert queues("list").out == "There are no queues.\n"
    assert queues("list", "--json").json["queues"] == []


def test_counts_are_a_state_per_line(connection):
    plant(plant_waiting(connection, "chat", 3))
    ran = queues("counts", "chat")
    assert ran.lines[0] == "chat"
    assert ["waiting", "3"] in [line.split() for line in ran.lines]
    assert any(line.startswith("  oldest waiting") for line in ran.lines)
    (one,) = queues("counts", "chat", "--json").json["queues"]
    assert one["counts"]["waiting"] == 3


def test_what_is_not_there_is_code_three_and_half_of_it_code_one(connection):
    plant(plant_waiting(connection, "chat"))
    ran = queues("counts", "nope")
    assert (ran.code, ran.out) == (Exit.NOT_FOUND, "")
    assert "There is no queue named “nope”." in ran.err
    both = queues("counts", "chat", "nope")
    assert both.code == Exit.REFUSED
    assert "waiting" in both.out
    told = queues("counts", "chat", "nope", "--json").json
    assert [one["name"] for one in told["queues"]] == ["chat"]
    assert [(one["queue"], one["error"]["code"]) for one in told["results"]] == [("nope", "queue_not_found")]
    gone = queues("job", "chat", "77", "--json")
    assert gone.code == Exit.NOT_FOUND
    assert gone.json["error"]["code"] == "job_not_found"


def test_what_is_no_utf_8_is_found_by_its_bytes(connection, client_of_redis, prefix):
    typed = os.fsdecode(b"\xff\xfe")
    assert [queues(*words).code for words in (("job", "chat", typed), ("counts", typed))] == [Exit.NOT_FOUND] * 2
    client_of_redis.hset(f"{prefix}:chat:".encode() + b"\xff\xfe", mapping={"name": "x", "data": "{}", "timestamp": 1})
    client_of_redis.rpush(f"{prefix}:chat:wait", b"\xff\xfe")
    assert "“x”: waiting" in queues("job", "chat", typed).out
    assert queues("add", "chat", "x", "--job-id", typed).code == Exit.USAGE


def test_a_redis_that_is_away_is_code_four(own_redis, settings):
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "away"}}}
    reset_options()
    own_redis.stop()
    for verb in (["list"], ["job", "chat", "1"], ["tail", "chat"], ["workers"], ["retry", "chat", "1"]):
        ran = queues(*verb)
        assert ran.code == Exit.AWAY, verb
        assert "Redis" in ran.err
    reset_options()


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--connection", "nope"],
        ["add", "chat", "x", "{not json"],
        ["add", "chat", "x", "@/no/such/file"],
        ["add", "chat", "x", "--options", "[]"],
        ["add", "chat", "x", "--options", '{"nonsense": 1}'],
        ["add", "a:b", "x"],
        ["retry", "chat"],
        ["retry", "chat", "1", "--all"],
        ["quiet"],
        ["quiet", "anna", "--all"],
    ],
)
def test_wrong_usage_is_code_two_and_one_sentence(connection, arguments):
    ran = queues(*arguments)
    assert ran.code == Exit.USAGE
    assert len(ran.err.splitlines()) == 1


def test_one_job_is_shown_whole(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", data='{"to":"ana"}', returnvalue="null", progress="40", pb="anna")
    client_of_redis.rpush(f"{prefix}:chat:1:logs", *[f"line {n}" for n in range(30)])
    ran = queues("job", "chat", "1")
    assert ran.lines[0] == "chat 1 “work”: failed"
    said = [line.strip() for line in ran.lines]
    assert '{"to":"ana"}' in said
    assert "TimeoutError: no answer" in said
    assert "at work (jobs.py:1)" in said
    assert "logs, the last 20 of 30" in said
    assert "line 29" in said
    assert "line 5" not in said
    assert "line 5" in queues("job", "chat", "1", "--full").out
    found = queues("job", "chat", "1", "--json").json
    assert (found["state"], found["data"], found["progress"], found["attempts_made"]) == (
        "failed",
        {"to": "ana"},
        40,
        1,
    )
    assert found["failedReason"] == "TimeoutError: no answer"
    assert found["cut"] == []


def test_large_data_is_cut_unless_it_is_wanted_whole(connection, client_of_redis, prefix):
    data = json.dumps("x" * 300_000)
    plant_failed(client_of_redis, prefix, "chat", data=data)
    short = queues("job", "chat", "1")
    assert len(short.out) < 5_000
    assert "cut: --full shows it whole" in short.out
    assert queues("job", "chat", "1", "--json").json["cut"] == ["data"]
    assert len(queues("job", "chat", "1", "--json", "--full").json["data"]) == 300_000
    assert "x" * 300_000 in queues("job", "chat", "1", "--full").out


async def test_a_stream_that_was_made_anew_is_announced(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 5)
    follower = await Follower.of(connection, ["chat"])
    client_of_redis.delete(f"{prefix}:chat:events")
    client_of_redis.xadd(f"{prefix}:chat:events", {"event": "completed", "jobId": "x"})
    gap, event = await follower.read()
    assert (gap.message, event.job_id) == ("Some events were lost before they were read.", "x")
    await follower.close()


def test_nothing_of_a_job_reaches_the_terminal_as_a_command(connection, client_of_redis, prefix):
    base = f"{prefix}:chat:"
    plant_failed(
        client_of_redis,
        prefix,
        "chat",
        name=EVIL,
        data=json.dumps({"x": EVIL}, ensure_ascii=False),
        reason=EVIL,
        pb=EVIL,
        deid=EVIL,
    )
    client_of_redis.rpush(f"{base}1:logs", EVIL, b"\xff\x1b[31m")
    client_of_redis.rename(f"{base}1", base + EVIL)
    client_of_redis.delete(f"{base}failed")
    client_of_redis.zadd(f"{base}failed", {EVIL: 1})
    client_of_redis.rename(f"{base}1:logs", f"{base}{EVIL}:logs")
    ran = queues("job", "chat", EVIL, "--full")
    assert ran.code == 0
    assert "\\x1b[2J" in ran.out
    for shown in (ran, queues("job", "chat", EVIL, "--json"), queues("job", "chat", "\x1b[2Jnope")):
        assert_clean(shown.out)
        assert_clean(shown.err)
    client_of_redis.hset(f"{prefix}:{EVIL}:meta", "version", EVIL)
    client_of_redis.xadd(f"{base}events", {"event": EVIL, "jobId": EVIL, "failedReason": EVIL})
    for arguments in (
        ["list"],
        ["counts", EVIL],
        ["counts", "\x1b[2Jnope"],
        ["pause", EVIL],
        ["retry", "chat", "\x1b[2Jnope"],
        ["tail", "chat", "--from-start", "--count", "1"],
    ):
        for shown in (queues(*arguments), queues(*arguments, "--json")):
            assert_clean(shown.out)
            assert_clean(shown.err)


def test_hostile_heartbeats_are_shown_as_text(connection, client_of_redis, prefix):
    keys, now = FleetKeys(prefix), int(client_of_redis.time()[0]) * 1000
    job = RunningJob(EVIL, EVIL, EVIL, progress=EVIL)
    beat = Beat("x1", name=EVIL, host=EVIL, version=EVIL, beat_ms=now, queues=(Share(EVIL, 1, 1),), running=(job,))
    client_of_redis.set(keys.process("x1"), fleet.written(beat))
    client_of_redis.zadd(keys.processes, {"x1": now})
    for shown in (queues("workers"), queues("workers", "--json"), queues("quiet", "x1", "--dry-run")):
        assert_clean(shown.out)
        assert "evil" in shown.out


def test_workers_are_shown_with_what_they_run(connection, client_of_redis, prefix):
    keys, now = FleetKeys(prefix), int(client_of_redis.time()[0]) * 1000
    jobs = tuple(RunningJob("chat", str(n), "greet", 2, now - 1_200_000, '{"percent":40}') for n in range(7))
    facts = {"host": "web", "pid": 7, "version": VERSION, "rss_bytes": 60 << 20, "cpu_percent": 12.0, "lag_ms": 3}
    beat = Beat(
        "abcdef123456", "web-7", **facts, beat_ms=now, started_ms=now - 3_600_000, running=jobs, running_count=9
    )
    beat = Beat(**{**{f: getattr(beat, f) for f in Beat.__slots__}, "queues": (Share("chat", 20, 9, ("async",), now),)})
    client_of_redis.set(keys.process(beat.id), fleet.written(beat))
    client_of_redis.zadd(keys.processes, {beat.id: now})
    ran = queues("workers")
    head, row, shares, *rest = ran.lines
    assert head.split() == ["worker", "id", "state", "jobs", "memory", "cpu", "lag", "up", "heard"]
    assert row.split()[:12] == ["web-7", "abcdef12", "running", "9/20", "60", "MiB", "12", "%", "3", "ms", "60", "min"]
    assert shares == "web-7: chat 9/20"
    assert rest[0] == '  chat 0 “greet” (attempt 2, for 20 min, progress {"percent":40})'
    assert rest[-1] == "  and 4 more"
    assert all(len(line) <= 80 for line in ran.lines)
    (found,) = queues("workers", "--json").json["processes"]
    assert (found["id"], found["slots"], found["is_silent"], len(found["running"])) == ("abcdef123456", 20, False, 7)


def test_no_workers_is_said(connection):
    assert queues("workers").out == "There are no workers.\n"


def test_without_redis_jobs_there_are_no_workers_to_speak_to(settings):
    from queues.options import reset_options

    settings.TORIL = {"USE_JOB_QUEUE": False}
    reset_options()
    try:
        ran = queues("workers")
        assert (ran.code, "there are no workers" in ran.out) == (0, True)
        for verb in (["quiet", "--all", "--yes"], ["cancel", "chat", "1"], ["stop-workers", "anna"], ["tail", "chat"]):
            ran = queues(*verb)
            assert ran.code in (Exit.REFUSED, Exit.NOT_FOUND), verb
            assert "USE_JOB_QUEUE" in ran.err, verb
        assert queues("list").code == 0
    finally:
        reset_options()


def test_tail_shows_events_of_several_queues_in_order(connection):
    plant(plant_waiting(connection, "chat"))
    plant(plant_delayed(connection, "mails"))
    ran = queues("tail", "chat", "mails", "--from-start", "--count", "4")
    assert ran.code == 0
    told = [line.split()[1:4] for line in ran.lines]
    assert [one for one in told if one[0] == "chat"] == [["chat", "added", "1"], ["chat", "waiting", "1"]]
    assert [one for one in told if one[0] == "mails"] == [["mails", "added", "1"], ["mails", "delayed", "1"]]
    found = [json.loads(line) for line in queues("tail", "chat", "--from-start", "--count", "2", "--json").lines]
    assert [(one["queue"], one["type"], one["fields"]["jobId"]) for one in found] == [
        ("chat", "added", "1"),
        ("chat", "waiting", "1"),
    ]
    only = queues("tail", "chat", "mails", "--from-start", "--type", "delayed", "--count", "1")
    assert "mails  delayed" in only.out
    assert "  due 20" in only.out


def test_tail_of_what_is_no_queue(connection, client_of_redis, prefix):
    assert queues("tail", "nope").code == Exit.NOT_FOUND
    client_of_redis.hset(f"{prefix}:odd:meta", "version", "x")
    client_of_redis.set(f"{prefix}:odd:events", "x")
    assert queues("tail", "odd").code == Exit.REFUSED


async def test_what_was_trimmed_before_it_was_read_is_announced_once(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    events = f"{prefix}:chat:events"
    follower = await Follower.of(connection, ["chat"], from_start=True)
    assert [type(one) for one in await follower.read()][:2] != [Gap, Gap]
    for n in range(20):
        client_of_redis.xadd(events, {"event": "completed", "jobId": n})
    client_of_redis.xtrim(events, maxlen=5, approximate=False)
    gap, *rest = await follower.read()
    assert gap == Gap("chat", "15 events were lost before they were read.")
    assert [event.job_id for event in rest] == ["15", "16", "17", "18", "19"]
    client_of_redis.xadd(events, {"event": "completed", "jobId": "last"})
    assert [event.job_id for event in await follower.read()] == ["last"]
    # What is trimmed after it was read is no loss.
    client_of_redis.xtrim(events, maxlen=1, approximate=False)
    client_of_redis.xadd(events, {"event": "completed", "jobId": "next"})
    assert [event.job_id for event in await follower.read()] == ["next"]
    await follower.close()


async def test_a_follower_waits_for_a_redis_that_is_away_and_says_so_once(own_redis, settings):
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "away"}}}
    reset_options()
    await plant_waiting("default", "chat")
    follower = await Follower.of("default", ["chat"])
    own_redis.stop()
    (gap,) = await follower.read()
    assert "Waiting for it" in gap.message
    assert await follower.read() == []
    own_redis.start()
    await plant_waiting("default", "chat")
    while not (found := await follower.read()):
        continue
    # It came back empty: what was in it is lost, and that is said before what is new.
    assert isinstance(found[0], Gap)
    assert found[1].type == "added"
    await follower.close()
    reset_options()
