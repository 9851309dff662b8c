"""Events for programs: each is told what it wants and may know, in order, and what was lost."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import redis
from django.utils import timezone

from dashboard.credentials.identifying import identify
from dashboard.grants import Grants, Pattern
from dashboard.live.codes import Close
from dashboard.live.hub import Hub
from dashboard.live.listener import MOST_WAITING, Listener
from dashboard.live.notice import message
from queues import queue
from queues.models import ApiKey, Job
from queues.options import reset_options
from queues.protocol import connections
from queues.protocol.keys import Keys
from tests import inprocess
from tests.eventually import eventually
from tests.faults import sturdy_redis
from tests.inprocess import in_process  # noqa: F401
from tests.listening import Told, identity, listening
from tests.web.keyed import plant_key
from tests.working import now_ms, working

ALL = identity()
DATA = {"conversationId": "c1", "messageId": "m1", "userId": "u1", "message": "secret text"}


async def talk(job: Any) -> dict[str, str]:
    await job.progress({"stage": "thinking", "percent": 40})
    await job.notify("message:updated", messageId=job.data["messageId"])
    if job.name == "bad":
        raise ValueError("no good")
    return {"answer": "secret result"}


STEPS = ["job:queued", "job:started", "job:progress", "message:updated", "job:completed"]


async def test_a_conversation_is_told_of_its_jobs_in_order_and_of_nobody_elses(connection, sight, transactional_db):
    # A queue that is new is found by the next look for such.
    sight.client.hset(sight.keys("meta"), "version", "bullmq:6.7.0")
    async with working(talk, concurrency=2), listening(ALL, ALL) as (_, ours, theirs):
        assert (await ours.subscribe(conversationId="c1"))["conversationId"] == "c1"
        await theirs.subscribe(conversationId="c2")
        mine = await queue("chat").add("good", DATA)
        other = await queue("chat").add("bad", {**DATA, "conversationId": "c2"})
        await eventually(lambda: "job:completed" in {t: j for j, t in ours.steps})
        await eventually(lambda: "job:failed" in {t: j for j, t in theirs.steps})
    assert [step for _, step in ours.steps] == STEPS
    assert {job for job, _ in ours.steps} == {mine.id}
    assert [step for _, step in theirs.steps] == [*STEPS[:-1], "job:failed"]
    assert {job for job, _ in theirs.steps} == {other.id}
    started, progress = ours.told[1], ours.told[2]
    assert (
        started.items()
        >= {
            "queue": "chat",
            "jobId": mine.id,
            "jobName": "good",
            "conversationId": "c1",
            "messageId": "m1",
            "userId": "u1",
        }.items()
    )
    assert progress["progress"] == {"stage": "thinking", "percent": 40}
    assert "secret" not in str(ours.heard) + str(theirs.heard)
    assert "no good" not in str(theirs.heard)


@pytest.fixture
def told(connection: str, sight: Any, transactional_db: None) -> Told:
    return Told(sight.client, sight.keys.prefix)


async def test_by_queue_by_job_by_a_field_or_all_and_no_more(told):
    async with listening(*[ALL] * 5) as (_, queue_, job, field, everything, kinds):
        for job_id, name, conversation in (("1", "chat", "c1"), ("2", "chat", 7), ("1", "mail", "c1")):
            told.job(job_id, queue=name, conversationId=conversation)
        assert (await queue_.subscribe(queue="mail"))["queue"] == "mail"
        await job.subscribe(queue="chat", jobId="1")
        await field.subscribe(conversationId=7)
        await everything.subscribe(all=True)
        await kinds.subscribe(queue="chat", events=["job:failed"])
        for job_id, name in (("1", "chat"), ("2", "chat"), ("1", "mail")):
            told.event("active", job_id, name)
            told.event("failed", job_id, name, failedReason="secret reason")
        await eventually(lambda: len(everything.told) == 6)
        await eventually(lambda: len(kinds.told) == 2 and len(queue_.told) == 2 and len(field.told) == 2)
        assert [(each["queue"], each["jobId"]) for each in job.told] == [("chat", "1")] * 2
        assert {each["queue"] for each in queue_.told} == {"mail"}
        assert {each["jobId"] for each in field.told} == {"2"}
        await field.say(action="unsubscribe", conversationId=7)
        await everything.say(action="unsubscribe", all=True)
        told.event("active", "2")
        await eventually(lambda: told_of(queue_, kinds) and len(queue_.told) == 2)
        told.event("completed", "1", "mail", returnvalue='"secret"')
        await eventually(lambda: len(queue_.told) == 3)
        assert (len(field.told), len(everything.told)) == (2, 6)
        assert "secret" not in str([ear.heard for ear in (queue_, job, field, everything, kinds)])


def told_of(*ears: Any) -> bool:
    return all(ear.heard for ear in ears)


#: Reads what jobs of `mail` carry, and sees that there are others in `chat`.
READS_MAIL = replace(
    ALL,
    grants=Grants(
        ALL.grants.actor,
        patterns=(
            Pattern("*", "chat", frozenset({"view"})),
            Pattern("*", "mail", frozenset({"view", "view_payload"})),
        ),
    ),
)
RIGHTS = [
    # Who, what they subscribe by, why that is refused; and what they are told of c1's job.
    (identity("view"), {"queue": "chat"}, None, "bare"),
    (identity("view"), {"conversationId": "c1"}, "forbidden", None),
    (identity(), {"queue": "chat"}, None, "full"),
    (identity(queues="mail*"), {"queue": "chat"}, "queue_not_found", None),
    (identity(queues="mail*"), {"conversationId": "c1"}, None, None),
    (identity(queues="mail*"), {"all": True}, None, None),
    (READS_MAIL, {"conversationId": "c1"}, None, None),
    (READS_MAIL, {"all": True}, None, "bare"),
    (identity("view", own={"userId": "u1"}), {"queue": "chat"}, None, "full"),
    (identity("view", own={"userId": "u1"}), {"conversationId": "c1"}, None, "full"),
    (identity("view", own={"userId": "u2"}), {"conversationId": "c1"}, None, None),
    (identity("view", own={"userId": "u2"}), {"queue": "chat", "jobId": "1"}, None, None),
    (identity(own={"tenant": "t1"}), {"all": True}, None, None),
    (identity(), {"nonsense": "x"}, "invalid_input", None),
    (identity(), {}, "invalid_input", None),
    (identity(), {"conversationId": None}, "invalid_input", None),
    (identity(), {"conversationId": {"$ne": 1}}, "invalid_input", None),
    (identity(), {"queue": "chat", "since": "0"}, "invalid_input", None),
    (identity(), {"queue": "chat", "events": "job:failed"}, "invalid_input", None),
]


async def test_nobody_is_told_more_than_they_may_know(told):
    told.job("1", **DATA, password="hunter2")
    told.job("9", queue="mail", conversationId="c9", userId="u9")
    async with listening(*[who for who, *_ in RIGHTS]) as (_, *ears):
        for ear, (_who, asked, refused, _sees) in zip(ears, RIGHTS, strict=True):
            answer = await ear.subscribe(**asked)
            assert answer.get("code") == refused, (asked, answer)
        progress = json.dumps({"stage": "x", "password": "hunter2"})
        for kind in ("active", "progress", "completed"):
            told.event(kind, "1", **({"data": progress} if kind == "progress" else {}))
        told.event("message:updated", "1", messageId="m2", text="own words")
        wanted = [number for number, (*_, sees) in enumerate(RIGHTS) if sees]
        await eventually(lambda: all(len(ears[number].told) == 4 for number in wanted))
        for number, (who, asked, _refused, sees) in enumerate(RIGHTS):
            seen = ears[number].told
            if sees is None:
                assert not seen, (who, asked)
            else:
                assert (
                    ("conversationId" in seen[0]) == ("progress" in seen[1]) == ("text" in seen[3]) == (sees == "full")
                )
        full = ears[2].told
        assert full[1]["progress"] == {"stage": "x", "password": "•••"}
        assert full[3].items() >= {"type": "message:updated", "messageId": "m1", "text": "own words"}.items()
        assert "hunter2" not in str([ear.heard for ear in ears])
        ears[2].rescope(identity(queues="mail"))
        told.event("active", "1")
        await eventually(lambda: len(ears[0].told) == 5)
        assert len(ears[2].told) == 4


async def test_who_comes_back_misses_nothing_and_hears_nothing_twice(told, monkeypatch):
    jobs = [str(number) for number in range(6)]
    for job_id in jobs:
        told.job(job_id, queue=f"q{int(job_id) % 3}", conversationId="c1")
    async with listening(ALL, ALL) as (follower, stays, goes):
        await stays.subscribe(conversationId="c1")
        await goes.subscribe(conversationId="c1")
        for job_id in jobs:
            told.event("active", job_id, f"q{int(job_id) % 3}")
        await eventually(lambda: len(goes.told) == 6)
        place = goes.told[3]["id"]
        await goes.say(action="unsubscribe", all=True)
        for job_id in jobs:
            told.event("completed", job_id, f"q{int(job_id) % 3}", returnvalue="1")
            told.client.delete(Keys(told.prefix, f"q{int(job_id) % 3}").job(job_id))
        await eventually(lambda: len(stays.told) == 12)
        goes.heard.clear()
        look_back = follower.source.history

        def later(*asked: Any) -> Any:
            # It is there when the look back reads, and is told as what happens now.
            told.event("failed", "5", "q2")
            return look_back(*asked)

        monkeypatch.setattr(follower.source, "history", later)
        answer = await goes.subscribe(conversationId="c1", since=place)
        # Who is cut off now comes back with this: what they were not told yet is after it.
        assert answer["id"].split(":")[0] == place.split(":")[0]
        await eventually(lambda: ("5", "job:failed") in goes.steps)
        # What other queues told in the same millisecond is told again; nothing else is.
        again = {(each["jobId"], each["type"]) for each in goes.told[:-9]}
        assert again <= {(job_id, "job:started") for job_id in jobs[:4]}
        assert [each["id"] for each in goes.told[-9:]] == [each["id"] for each in stays.told[4:]]
        assert not goes.answers("gap")
        # From where it was told that it is listening, nothing is missing either.
        monkeypatch.undo()
        goes.heard.clear()
        await goes.subscribe(queue="q2", since=answer["id"])
        await eventually(lambda: ("5", "job:failed") in goes.steps)


async def test_what_the_stream_lost_is_told_and_only_to_who_lost_it(told):
    told.job("1", conversationId="c1")
    first = told.event("active", "1")
    for _ in range(5):
        last = told.event("progress", "1", data="1")
    told.client.xtrim(told.keys("events"), maxlen=2, approximate=False)
    async with listening(ALL, ALL) as (_, early, late):
        await early.subscribe(queue="chat", since=first)
        await late.subscribe(queue="chat", since=last)
        await eventually(lambda: len(early.told) == 2)
        assert [each["queue"] for each in early.answers("gap")] == ["chat"]
        # While it listens, too: written and trimmed in one step, before it can be read.
        told.client.eval(
            "for n = 1, 5 do redis.call('XADD', KEYS[1], '*', 'event', 'active', 'jobId', '1') end"
            " redis.call('XTRIM', KEYS[1], 'MAXLEN', 2)",
            1,
            told.keys("events"),
        )
        await eventually(lambda: len(late.told) == 2)
        assert [each.get("missed") for each in late.answers("gap")] == [3]
        told.client.delete(told.keys("events"))
        told.event("active", "1")
        await eventually(lambda: len(late.told) == 3)
        assert len(late.answers("gap")) == 2


@pytest.mark.parametrize("is_begun_anew", [False, True])
@pytest.mark.parametrize("way", ["deleted", "emptied"])
async def test_who_comes_back_to_a_stream_that_has_lost_their_place_is_told_so(told, way, is_begun_anew):
    told.job("1")
    async with listening(ALL, ALL) as (_, goes, other):
        await goes.subscribe(queue="chat")
        told.event("active", "1")
        await eventually(lambda: len(goes.told) == 1)
        place = goes.told[0]["id"]
        await other.subscribe(queue="chat", since=place)
        await goes.say(action="unsubscribe", all=True)
        if way == "emptied":
            told.event("progress", "1", data="1")
            told.client.xtrim(told.keys("events"), maxlen=0, approximate=False)
        else:
            told.client.delete(told.keys("events"))
        if is_begun_anew:
            told.event("completed", "1", returnvalue="1")
        await goes.subscribe(queue="chat", since=place)
        await eventually(lambda: goes.answers("gap"))
        await eventually(lambda: not is_begun_anew or goes.steps[-1] == ("1", "job:completed"))
        assert {each["queue"] for each in goes.answers("gap")} == {"chat"}


async def test_of_a_job_that_is_gone_its_row_tells_whose_it_was_and_without_one_that_is_said(told):
    await Job.objects.acreate(
        connection="default",
        queue="chat",
        job_id="1",
        timestamp_ms=now_ms() - 1_000,
        state="completed",
        name="old",
        data=json.dumps({"conversationId": "c1"}),
    )
    # The same id, long before: somebody else's.
    await Job.objects.acreate(
        connection="default",
        queue="chat",
        job_id="1",
        timestamp_ms=1,
        state="completed",
        data='{"conversationId": "c2"}',
    )
    told.client.hset(told.keys("meta"), "version", "x")
    before = told.event("drained")
    told.event("completed", "1", returnvalue="1")
    async with listening(ALL, ALL) as (_, ours, theirs):
        await ours.subscribe(conversationId="c1", since=before)
        await theirs.subscribe(conversationId="c2", since=before)
        await eventually(lambda: len(ours.told) == 1)
        assert ours.told[0]["jobName"] == "old"
        told.event("completed", "2", returnvalue="1")
        await eventually(lambda: [each.get("unseen") for each in ours.answers("gap")] == [1], 20)
        assert not theirs.told


async def test_a_redis_that_was_away_costs_no_event(own_redis, settings, transactional_db):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "away"}}}
    reset_options()
    with redis.Redis(port=own_redis.port) as client:
        told = Told(client, "away")
        told.job("1", conversationId="c1")
        async with listening(ALL) as (_, ear):
            await ear.subscribe(conversationId="c1")
            told.event("active", "1")
            await eventually(lambda: len(ear.told) == 1)
            own_redis.stop()
            await eventually(lambda: ear.answers("stale"))
            own_redis.start()
            # It kept nothing: what was told before is gone with the stream, and that is said.
            told.job("1", conversationId="c1")
            told.event("completed", "1", returnvalue="1")
            await eventually(lambda: ear.answers("current"), 20)
            await eventually(lambda: ear.steps[-1] == ("1", "job:completed"))
            assert ear.answers("gap")
    await connections.close_wires()
    reset_options()


@pytest.mark.parametrize("asked", [{"queue": "chat"}, {"conversationId": "c1"}])
async def test_who_comes_back_while_redis_is_away_is_told_what_they_missed(asked, tmp_path, settings, transactional_db):
    """By a web process that has not reached Redis yet: where the queue stands, it does not know."""
    server = sturdy_redis(tmp_path)
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": server.url, "PREFIX": "away"}}}
    reset_options()
    with redis.Redis(port=server.port) as client:
        told = Told(client, "away")
        told.job("1", conversationId="c1")
        place = told.event("active", "1")
        told.event("completed", "1", returnvalue="1")
        server.kill()
        async with listening(ALL) as (_, ear):
            await ear.say(action="subscribe", since=place, **asked)
            await eventually(lambda: ear.answers("stale"))
            server.start()
            await eventually(lambda: ear.answers("current"), 20)
            await eventually(lambda: ear.steps == [("1", "job:completed")])
            told.event("failed", "1")
            await eventually(lambda: ear.steps[1:] == [("1", "job:failed")])
        assert not ear.answers("gap")
    await connections.close_wires()
    reset_options()
    server.stop()


async def test_a_queue_that_nobody_knew_is_heard_from_its_first_event_on(told):
    async with listening(ALL, ALL) as (_, all_, named):
        await all_.subscribe(all=True)
        assert (await named.subscribe(queue="new"))["type"] == "subscribed"
        told.job("1", queue="new")
        told.event("added", "1", "new", name="talk")
        await eventually(lambda: named.steps == [("1", "job:queued")])
        # And of one that nobody named, and that is found only later.
        told.job("2", queue="newer")
        told.event("added", "2", "newer", name="talk")
        await eventually(lambda: all_.steps == [("1", "job:queued"), ("2", "job:queued")], 20)


async def test_queues_have_names_of_their_own_for_what_happens(told, settings):
    statuses = {"started": "start", "completed": "complete", "failed": "error"}
    events = {"curl*": {"NAME": "curl_progress"}, "embed": {"NAME": "embedding_progress", "STATUSES": statuses}}
    settings.TORIL = {**settings.TORIL, "LIVE": {"EVENTS": events, "FIELDS": ["pageId", "user.id"]}}
    reset_options()
    for name in ("curl-x", "embed"):
        told.job("1", queue=name, pageId="p1", user={"id": 3})
    async with listening(ALL) as (_, ear):
        await ear.subscribe(pageId="p1")
        for name in ("curl-x", "embed"):
            for kind in ("added", "active", "progress", "completed"):
                told.event(kind, "1", name, data="50")
        await eventually(lambda: len(ear.told) == 6, 20)
        curl, embed = ([each for each in ear.told if each["queue"] == name] for name in ("curl-x", "embed"))
        assert [each["status"] for each in curl] == ["queued", "processing", "processing", "completed"]
        assert {each["type"] for each in curl} == {"curl_progress"}
        assert curl[2]["progress"] == 50
        assert curl[0]["user.id"] == 3
        assert [(each["type"], each["status"]) for each in embed] == [
            ("embedding_progress", "start"),
            ("embedding_progress", "complete"),
        ]


async def test_odd_events_and_odd_jobs_end_nothing(told):
    told.client.hset(told.keys.job("bad"), mapping={"name": b"\xff", "data": "{", "timestamp": "x"})
    told.client.hset(
        told.keys.job("big"), mapping={"name": "big", "data": json.dumps({"conversationId": "c1", "x": "y" * 2**20})}
    )
    told.client.set(told.keys.job("text"), "no hash")
    told.job("1", conversationId="c" * 300, messageId=["m"])
    async with listening(ALL) as (_, ear):
        await ear.subscribe(queue="chat")
        for job_id in ("bad", "big", "text", "none", "1"):
            told.event("active", job_id)
        told.event("progress", "1", data="{")
        told.event("progress", "1", data=json.dumps("x" * 9_000))
        told.event("with space", "1")
        own = {
            "event": "own",
            "jobId": "1",
            "type": "x",
            "queue": "x",
            "id": "0-0",
            "n": "1",
            "toril:json": "n,missing",
        }
        told.client.xadd(told.keys("events"), own)
        told.client.xadd(told.keys("events"), {b"\xff": b"\xfe"})
        told.event("completed", "1", returnvalue="1")
        await eventually(lambda: ear.steps[-1:] == [("1", "job:completed")])
        assert [job for job, step in ear.steps if step == "job:started"] == ["bad", "big", "text", "none", "1"]
        assert ear.told[-3].get("progressTooLarge")
        seen = ear.answers("own")[0]
        assert (seen["queue"], seen["n"], seen["id"] != "0") == ("chat", 1, True)


@pytest.mark.usefixtures("in_process")
async def test_in_process_the_same_is_told_of_this_processs_jobs():
    async with listening(ALL) as (_, ear):
        await ear.subscribe(conversationId="c1")
        async with inprocess.running(talk):
            added = await queue("chat").add("good", DATA)
            await inprocess.until(added.id, "completed")
        await eventually(lambda: ear.steps[-1:] == [(added.id, "job:completed")], 20)
        assert [step for _, step in ear.steps] == STEPS
        place = ear.told[1]["id"]
        ear.heard.clear()
        await ear.subscribe(queue="chat", since=place)
        await eventually(lambda: [step for _, step in ear.steps] == STEPS[2:])
        await ear.subscribe(queue="chat", jobId="7", since="1700000000000-0")
        await eventually(lambda: ear.answers("gap"))


def test_who_takes_nothing_is_dropped_and_keeps_no_memory():
    async def overflow() -> Listener:
        listener = Listener(ALL, "default", None)
        for number in range(MOST_WAITING + 5):
            listener.hear(message("x", n=number))
        return listener

    listener = asyncio.run(overflow())
    assert listener.closing is Close.NOT_READING
    assert not listener._mail


async def test_who_may_no_more_hears_no_more(told, monkeypatch):
    monkeypatch.setattr("dashboard.live.hub.CHECK_S", 0.05)
    monkeypatch.setattr("dashboard.credentials.keys.KNOWN_S", 0.0)
    keys = [await plant_key(name, abilities=["view"]) for name in ("stays", "shrinks", "goes")]
    hub = Hub()
    try:
        ears = [Listener(await identify({"x-api-key": key}, {}), "default", None) for key in keys]
        for ear in ears:
            hub.join(ear)
        assert [ear.sees("chat") for ear in ears] == [True] * 3
        await ApiKey.objects.filter(name="shrinks").aupdate(queues=["mail"])
        await ApiKey.objects.filter(name="goes").aupdate(revoked_at=timezone.now())
        await eventually(lambda: ears[2].closing is Close.SIGNED_OUT)
        await eventually(lambda: not ears[1].sees("chat") and ears[1].sees("mail"))
        await ApiKey.objects.filter(name="shrinks").aupdate(abilities=[])
        await eventually(lambda: ears[1].closing is Close.FORBIDDEN)
        assert ears[0].closing is None
        assert ears[0].sees("chat")
    finally:
        await hub.stop()
        await hub.stop()


async def test_who_joins_while_a_follower_is_let_go_gets_another(told, monkeypatch):
    monkeypatch.setattr("dashboard.live.hub.LINGER_S", -1.0)
    hub = Hub()
    try:
        first, second = (Listener(ALL, "default", None) for _ in range(2))
        ended = hub.join(first)
        hub.leave(first)
        letting_go = asyncio.create_task(hub._let_go())
        await asyncio.sleep(0)
        goes_on = hub.join(second)
        assert goes_on is not ended
        await letting_go
        assert hub.follower("default") is goes_on
    finally:
        await hub.stop()
