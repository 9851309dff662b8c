"""Search behind a mirror that runs, without one, for jobs in process, while it is typed, and on the command line."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from queues.lookups import search
from queues.lookups.search import Seen, live
from queues.models import Cursor, Job, Lease, SearchDocument, SearchText
from queues.options import reset_options
from queues.options.values import LOCAL_CONNECTION
from tests.console import queues
from tests.eventually import eventually
from tests.integration.test_mirror_values import POISON, TEXTS
from tests.mirroring import add, finish, mirror_running, redis, start
from tests.searching import HOUR_MS, NOW_MS, all_ids, asked, ids, kept, places, take_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


async def test_what_the_mirror_takes_in_is_found_and_stays_found_when_redis_forgot_it(connection, prefix):
    async with mirror_running():
        await add(connection, "chat", 2, data='{"user":{"id":42}}', name="summarize")

        async def found(text: str, count: int) -> bool:
            return len(await ids(text)) == count

        await eventually(lambda: found("data.user.id:42 state:waiting", 2), 60)
        await finish(connection, "chat", await start(connection, "chat", 1), b"boom: no answer", is_failed=True)
        await eventually(lambda: found("error:boom state:failed", 1), 60)
        await redis(connection, "DEL", *await redis(connection, "KEYS", f"{prefix}:*"))
        await eventually(lambda: found("is:removed name:summarize", 2), 60)
        page = await search.page(asked("is:removed"), Seen())
        assert page.lag_s is not None
        assert page.searched.startswith("Searched all jobs that are mirrored")
    page = await search.page(asked("is:removed"), Seen())
    assert (page.total, page.lag_s) == (2, None)
    assert page.searched == ("Searched what the mirror has kept. It does not run now, so what is newer is not found.")


async def test_whatever_a_job_holds_the_index_goes_on(connection, prefix):
    made = await add(connection, "chat", len(POISON))
    for job_id, poison in zip(made, POISON.values(), strict=True):
        for name in TEXTS:
            await redis(connection, "HSET", f"{prefix}:chat:{job_id}", name, poison)
    long = b'{"' + b"k" * 90 + b'":{"' + b"l" * 150 + b'":1}}'
    for data in (rb'{"a\u0000b":"\u0000","\ud800":{"\udfff":"\ud800"}}', long):
        made += await add(connection, "chat", data=data)
    made += await add(connection, "chat", name="last of all")

    async def is_indexed() -> bool:
        return await SearchDocument.objects.acount() == len(made)

    async with mirror_running():
        await eventually(is_indexed, 60)
    assert await Job.objects.acount() == len(made)
    assert len(await ids('name:"last of all"')) == 1
    assert await ids("caf*") == [made[list(POISON).index("not utf-8")]]


async def test_where_no_mirror_ever_ran_redis_is_looked_at_for_a_bounded_time(connection, monkeypatch):
    assert not await Lease.objects.aexists()
    await plant_failed_and_waiting(connection)
    page = await search.page(asked("state:failed name:mail"), Seen())
    assert {job.queue for job in page.jobs} == {"mails"}
    assert page.searched == "Searched all 3 jobs that Redis holds; no mirror remembers others."
    assert (page.total, page.is_least, page.lag_s, page.after) == (3, False, None, None)
    assert await ids("queue:mails", Seen(queues=places("chat"))) == []
    assert await all_ids("state:failed") == {job.job_id for job in page.jobs}
    monkeypatch.setattr(live, "MOST_JOBS", 2)
    page = await search.page(asked("-name:nobody"), Seen())
    assert page.searched == "Searched the newest 2 of 7 jobs that Redis holds; a mirror would search all."
    assert page.is_least


async def plant_failed_and_waiting(connection: str) -> None:
    for n in range(4):
        await add(connection, "chat", data=f'{{"n":{n}}}', name="talk")
    await add(connection, "mails", 3, name="sendMail")
    await finish(connection, "mails", await start(connection, "mails", 3), b"no answer", is_failed=True)


async def test_in_redis_payloads_are_looked_into_only_where_they_may_be_read(connection):
    await plant_failed_and_waiting(connection)
    assert len(await ids("data.n:2")) == 1
    assert await ids("data.n:2", Seen(payloads=places("mails"))) == []
    assert len(await ids("error:answer", Seen(payloads=places("mails")))) == 3


async def test_jobs_in_process_are_searched_row_by_row(settings):
    settings.TORIL = {"USE_JOB_QUEUE": False}
    reset_options()
    try:
        await sync_to_async(kept)("j1", connection=LOCAL_CONNECTION, data={"user": {"id": 42}}, state="failed")
        await sync_to_async(kept)("j2", connection=LOCAL_CONNECTION, name="noise")
        await sync_to_async(kept)("j3", connection="default", data={"user": {"id": 42}})
        assert await ids("data.user.id:42") == ["j1"]
        assert await all_ids("-name:noise") == {"j1"}
        page = await search.page(asked(""), Seen(), None, 1)
        assert ([job.job_id for job in page.jobs], page.is_least) == (["j2"], True)
        assert await ids("", after=page.after) == ["j1"]
        assert [job.job_id for job in await search.with_id("j1", Seen())] == ["j1"]
    finally:
        reset_options()


async def test_what_is_typed_is_completed_from_what_was_seen_and_may_be_seen():
    def plant():
        kept("j1", name="sendMail", data={"userId": 1, "user": {"plan": "pro"}}, processed_by="web-3:1", state="failed")
        kept("j2", "mail", name="send later", data={"secretPath": 1})
        take_in()

    await sync_to_async(plant)()

    async def offered(text: str, seen: Seen | None = None) -> list[str]:
        return [one.text for one in await search.suggest(text, seen or Seen())]

    assert await offered("state:failed na") == ["state:failed name:"]
    assert await offered("state:fa") == ["state:failed "]
    assert await offered("state:failed,co") == ["state:failed,completed "]
    assert await offered("-queue:ch") == ["-queue:chat "]
    assert await offered("name:send") == ['name:"send later" ', "name:sendMail "]
    assert await offered('name:"send l') == ['name:"send later" ']
    assert await offered("worker:w") == ["worker:web-3 "]
    assert await offered("data.us") == ["data.user.plan:", "data.userId:"]
    assert (await offered("da"))[0] == "data."
    assert "queue:mail " in await offered("mai")
    assert await offered("nothing at all begins so:x") == []
    only_chat = Seen(queues=places("chat"), payloads=frozenset())
    assert await offered("name:send", only_chat) == ["name:sendMail "]
    assert await offered("queue:", only_chat) == ["queue:chat "]
    assert await offered("data.", only_chat) == []
    for one in await search.suggest("name:send", Seen()):
        search.parse(one.text, NOW_MS)


def test_the_command_line_searches_too():
    kept("j1", name="sendMail", state="failed", failed_reason="refused: password=hunter2\nat", finished_on_ms=NOW_MS)
    kept("j\x1b[2J2", name="noise", ago_ms=HOUR_MS, is_removed=True)
    take_in()
    ran = queues("search", "name:sendMail", "state:failed")
    assert (ran.code, ran.lines[-1]) == (0, "1 found.")
    assert ran.lines[0].split() == ["queue", "job", "name", "state", "last", "moved", "error"]
    assert "hunter2" not in ran.out
    assert "Searched all jobs that are mirrored" in ran.err
    found = queues("search", "is:removed", "--json").json
    assert (found["total"], [job["id"] for job in found["jobs"]]) == (1, ["j\x1b[2J2"])
    assert "\x1b" not in queues("search", "is:removed").out
    assert queues("search", "since:99w", "--limit", "1").lines[-1] == "1 shown, of 2."
    assert queues("search", "nowhere").lines == ["Nothing was found."]
    ran = queues("search", "state:done")
    assert ran.code != 0
    assert "there is no such state" in ran.err


async def test_rows_that_are_pruned_are_forgotten():
    from queues.mirror.prune import FORGET

    row = await sync_to_async(kept)("j1", data={"a": "b"})
    await sync_to_async(take_in)()
    for forget in FORGET:
        await sync_to_async(forget)([row.pk])
    assert not await SearchDocument.objects.aexists()
    assert not await SearchText.objects.aexists()
    assert await Cursor.objects.filter(name="search").aexists()
