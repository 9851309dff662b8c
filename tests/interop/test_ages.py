"""Queues of Bull 3 and 4 and BullMQ 3 to 6, as those libraries left them: shown right, steered where that does no harm.

`tests/ages.py` plants what `ages.mjs record` wrote down; in the last tests the old libraries work themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from queues.actions import adding, altering, bulk, jobs, limits, queues, schedulers, selected
from queues.actions.actor import Actor
from queues.actions.ages import TooOld
from queues.errors import QueueNotFound
from queues.lookups import snapshot
from queues.models import AuditEntry, Job, Outcome
from queues.protocol import reads
from queues.protocol.reads.scan import state_total
from queues.states import LISTED, State
from tests.ages import AGES, BULL, BULLMQ, picture, plant
from tests.eventually import eventually
from tests.interop.nodes import Ask, Shell
from tests.mirroring import differences, session, turn_until_quiet
from tests.web.conftest import signed_in

ana = Actor(None, "ana")
pytestmark = pytest.mark.django_db(transaction=True)
#: The libraries' words for our states; what waits while a queue is paused is counted apart by the older ones.
WORDS = {"waiting": State.WAITING, "paused": State.WAITING}
OLD = [age for age in AGES if age not in BULL and age != "bullmq"]


def counts(told: dict[str, int]) -> dict[str, int]:
    found = dict.fromkeys((state.value for state in LISTED), 0)
    for word, count in told.items():
        found[WORDS.get(word, word)] += count
    return found


@pytest.mark.parametrize("age", AGES)
async def test_queues_of_every_age_are_found_and_counted_as_their_own_library_counts_them(
    age, connection, client_of_redis, prefix
):
    said = plant(client_of_redis, age, prefix)
    children = {"children"} if age in BULLMQ else set()
    assert set(await reads.queue_names(connection)) == {*said, *children}
    names = sorted(said)
    for facts in (await reads.queue_facts(connection, names), (await reads.board(connection, names)).facts):
        for one in facts:
            assert one.counts == counts(said[one.name]["counts"]), one.name
            assert one.is_paused is said[one.name]["isPaused"]
            assert (one.version == "bull") is (age in BULL)
    for name in names:
        for state in LISTED:
            expected = counts(said[name]["counts"])[state.value]
            for is_reversed in (False, True):
                page = await reads.job_page(connection, name, state, 0, 20, is_reversed)
                assert (page.total, len(page.rows)) == (expected, expected), (name, state)
                assert not [row.record.problems for row in page.rows if row.record.problems]
            assert await state_total(connection, name, state) == expected


@pytest.mark.parametrize("age", AGES)
async def test_jobs_of_every_age_are_listed_in_running_order_and_read_whole(age, connection, client_of_redis, prefix):
    plant(client_of_redis, age, prefix)
    waiting = [row.record for row in (await reads.job_page(connection, "mixed", State.WAITING, 0, 20)).rows]
    first = [row.record for row in (await reads.job_page(connection, "mixed", State.PRIORITIZED, 0, 20)).rows]
    # The oldest keep those with a priority among those that wait, the most urgent next to run.
    assert [one.priority for one in [*waiting[: 3 * (not first)], *first]] == [1, 2, 5]
    assert [one.name for one in waiting if not one.priority] == ["waits", "waits", "waits", "own id"]
    second_page = await reads.job_page(connection, "mixed", State.WAITING, 2, 2)
    assert [row.record.id for row in second_page.rows] == [one.id for one in waiting[2:4]]
    failed = (await reads.job_page(connection, "mixed", State.FAILED, 0, 20)).rows[0].record
    assert (failed.attempts_made, failed.failed_reason) == (2, "no luck with 5")
    done = await reads.job(connection, "mixed", "2")
    assert (done.record.name, done.record.data, done.record.return_value) == ("works", '{"n":2}', '{"done":2}')
    assert done.record.progress == "50"
    later = (await reads.job_page(connection, "mixed", State.DELAYED, 0, 20)).rows
    assert {row.due_ms - row.record.timestamp_ms - row.record.delay_ms for row in later if row.due_ms} <= {0}


@pytest.mark.parametrize("age", ["bullmq-v3", "bullmq-v4"])
async def test_a_marker_among_those_that_wait_is_no_job_on_any_page(age, connection, client_of_redis, prefix):
    plant(client_of_redis, age, prefix)
    assert any(b"0:" in one for one in client_of_redis.lrange(f"{prefix}:marked:wait", 0, -1))
    for start, ids in ((0, ["2"]), (1, [])):
        page = await reads.job_page(connection, "marked", State.WAITING, start, 1)
        assert (page.total, [row.record.id for row in page.rows]) == (1, ids)


@pytest.mark.parametrize("age", ["bull-v4", "bullmq-v4"])
async def test_the_mirror_keeps_queues_of_every_age(age, connection, client_of_redis, prefix):
    plant(client_of_redis, age, prefix)
    async with session(connection) as mirror:
        await turn_until_quiet(mirror)
        assert await differences() == []
        # Without a stream of events its counts alone tell that something happened.
        job_id = client_of_redis.rpop(f"{prefix}:parked:paused")
        client_of_redis.hset(f"{prefix}:parked:{job_id.decode()}", "finishedOn", 1_800_000_000_000)
        client_of_redis.zadd(f"{prefix}:parked:completed", {job_id: 1_800_000_000_000})

        async def is_kept() -> bool:
            mirror._sweep.wind(0)
            await mirror.turn()
            return await Job.objects.filter(queue="parked", job_id=job_id.decode(), state="completed").aexists()

        await eventually(is_kept, timeout_s=60)
        assert await differences() == []


DEEDS = {
    "pause": lambda at: queues.pause_queue(ana, at, "mixed"),
    "resume": lambda at: queues.resume_queue(ana, at, "parked"),
    "retry": lambda at: jobs.retry_job(ana, at, "mixed", "3"),
    "promote": lambda at: jobs.promote_job(ana, at, "mixed", "13"),
    "remove": lambda at: jobs.remove_job(ana, at, "mixed", "7"),
    "reprioritize": lambda at: altering.reprioritize_job(ana, at, "mixed", "7", 3),
    "add": lambda at: adding.add_job(ana, at, "mixed", "more", {}, {}),
    "retry some": lambda at: selected.act_on(ana, at, "mixed", "retry", State.FAILED, ["3", "4"]),
    "limit": lambda at: limits.set_limits(ana, at, "mixed", 3, None),
    "scheduler": lambda at: schedulers.remove_scheduler(ana, at, "mixed", "nightly:::Europe/Paris:0 3 1 1 *"),
}


@pytest.mark.parametrize("age", BULL)
async def test_a_queue_of_bulls_is_only_looked_at_and_each_refusal_is_on_record(
    age, connection, client_of_redis, prefix
):
    plant(client_of_redis, age, prefix)
    before = picture(client_of_redis, prefix)
    for deed in DEEDS.values():
        with pytest.raises(TooOld, match="is Bull's"):
            await deed(connection)
    plan = await bulk.plan(connection, "mixed", "retry-all", State.FAILED)
    with pytest.raises(TooOld, match="is Bull's"):
        await bulk.run(ana, plan)
    assert picture(client_of_redis, prefix) == before
    rows = [entry async for entry in AuditEntry.objects.all()]
    assert {entry.outcome for entry in rows} == {Outcome.REFUSED}
    assert len(rows) == len(DEEDS) + 1
    with pytest.raises(QueueNotFound):
        await queues.pause_queue(ana, connection, "nowhere")
    (seen,) = [queue for queue in (await snapshot.snapshot(connection)).queues if queue.name == "parked"]
    assert (seen.is_paused, seen.version) == (True, "bull")


@pytest.mark.parametrize("age", ["bull-v4", "bullmq-v3"])
async def test_every_list_and_job_of_old_queues_has_its_page_which_says_what_cannot_be_done(
    age, connection, client_of_redis, prefix
):
    plant(client_of_redis, age, prefix)
    vera = await signed_in("vera", "view", "view_payload", "retry", "pause")
    for path in ("", *(f"queue/mixed?status={state.value}" for state in LISTED), "queue/mixed/3", "queue/parked"):
        answer = await vera.get(f"/admin/queues/{path}")
        html = answer.content.decode()
        assert answer.status_code == 200, path
        assert ">0:" not in html
        assert ("look only" in html or "Made by Bull" in html) is (age in BULL and path != "queue/mixed/3"), path
    answer = await vera.post("/admin/queues/queue/mixed/3?action=retry", {}, follow=True)
    assert ("is Bull’s" in answer.content.decode() or "is Bull&#x27;s" in answer.content.decode()) is (age in BULL)


@pytest.mark.parametrize("age", OLD)
async def test_nothing_is_put_beside_what_an_older_bullmq_has_parked(age, connection, client_of_redis, prefix):
    said = plant(client_of_redis, age, prefix)["parked"]["counts"]
    for act in (
        lambda: jobs.promote_job(ana, connection, "parked", "8"),
        lambda: adding.add_job(ana, connection, "parked", "more", {}, {}),
    ):
        with pytest.raises(TooOld, match="resume the queue first"):
            await act()
    done = await queues.resume_queue(ana, connection, "parked")
    assert f"{said['paused']} jobs that an older BullMQ had parked came back" in done.message
    await adding.add_job(ana, connection, "parked", "more", {}, {})
    assert await state_total(connection, "parked", State.WAITING) == said["paused"] + 1


async def test_a_job_with_a_priority_is_not_put_where_bullmq_3_never_looks(connection, client_of_redis, prefix):
    plant(client_of_redis, "bullmq-v3", prefix)
    client_of_redis.hset(f"{prefix}:mixed:3", "priority", 2)
    for act in (
        lambda: jobs.retry_job(ana, connection, "mixed", "3"),
        lambda: adding.add_job(ana, connection, "mixed", "more", {}, {"priority": 2}),
        lambda: altering.reprioritize_job(ana, connection, "mixed", "7", 3),
        lambda: selected.act_on(ana, connection, "mixed", "retry", State.FAILED, ["4", "5"]),
    ):
        with pytest.raises(TooOld, match="run BullMQ 3"):
            await act()
    assert not client_of_redis.exists(f"{prefix}:mixed:prioritized")
    await jobs.retry_job(ana, connection, "mixed", "4")


@pytest.fixture(scope="module")
def elders(redis_server) -> Iterator[Shell]:
    """The old libraries on call."""
    opened = Shell(redis_server.port, "ages.mjs")
    yield opened
    opened.close()


@pytest.fixture
def elder(elders: Shell, prefix: str) -> Ask:
    return partial(elders.call, prefix)


@pytest.mark.node
@pytest.mark.parametrize("age", OLD)
async def test_what_was_steered_here_an_old_worker_runs_and_a_pause_holds_it(
    age, elder, connection, client_of_redis, prefix
):
    plant(client_of_redis, age, prefix)
    # What it was left with: one that was active has lost its worker, and is not this test's matter.
    client_of_redis.delete(f"{prefix}:mixed:active")
    ask = partial(elder, queue="mixed", age=age)
    await queues.pause_queue(ana, connection, "mixed")
    await ask("work", None)
    await ask("ask", [["add", "late", {}]])
    assert (await ask("ask", [["isPaused"], ["getJobCountByTypes", "active", "completed"]])) == [True, 2]
    await queues.resume_queue(ana, connection, "mixed")
    await jobs.retry_job(ana, connection, "mixed", "3")
    await jobs.promote_job(ana, connection, "mixed", "13")
    wanted = sorted(["waits"] * 3 + ["first"] * 3 + ["own id", "late", "fails", "later"])

    async def ran() -> bool:
        return sorted(await ask("did", None)) == wanted

    await eventually(ran, timeout_s=60)
    (facts,) = await reads.queue_facts(connection, ["mixed"])
    assert (facts.counts["waiting"], facts.counts["prioritized"], facts.counts["completed"]) == (0, 0, 12)
    await ask("stopped", None)


@pytest.mark.node
@pytest.mark.parametrize("age", OLD)
async def test_what_is_paused_here_and_added_there_is_all_there_again(age, elder, connection, client_of_redis, prefix):
    plant(client_of_redis, age, prefix)
    await queues.pause_queue(ana, connection, "marked")
    await elder("ask", [["add", "late", {}]], queue="marked", age=age)
    assert await state_total(connection, "marked", State.WAITING) == 2
    # The first of BullMQ 5 do not say who they are; their own resume forgets what our pause left in `wait`.
    if age == "bullmq-v5-early":
        await queues.resume_queue(ana, connection, "marked")
    else:
        await elder("ask", [["resume"]], queue="marked", age=age)
    assert await state_total(connection, "marked", State.WAITING) == 2
    assert not client_of_redis.exists(f"{prefix}:marked:paused")
