"""What people ask of worker processes: who takes it, what comes of it, and what is none of a process's business."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
import time
import uuid
from functools import partial

import pytest

from queues import queue
from queues.actions import workers as acts
from queues.actions.actor import Actor
from queues.actions.workers import NoAnswer, NotRunning
from queues.console.exits import Exit
from queues.console.screen import Screen
from queues.console.session import Session
from queues.console.steering import told
from queues.errors import InvalidInput, JobNotFound, NotFound, RedisRefused, Refused
from queues.lookups.workers import processes
from queues.models import AuditEntry, Outcome
from queues.protocol import fleet, orders
from queues.protocol.fleet import Beat
from queues.protocol.keys import FleetKeys
from queues.protocol.orders import ALL, Order, Stage, Verb
from queues.states import State
from queues.worker import control
from tests.eventually import eventually
from tests.planting import plant_delayed, plant_waiting
from tests.working import Sight, operating

ana = Actor(None, "ana")

pytestmark = pytest.mark.django_db(transaction=True)


async def listed(connection: str, count: int = 1):
    async def all_there():
        own = (await processes(connection)).own
        return own if len(own) == count else None

    return await eventually(all_there)


async def forever(job):
    await asyncio.Event().wait()


async def test_a_quiet_worker_takes_nothing_until_it_is_resumed(connection, sight):
    ran = []
    async with operating(lambda job: ran.append(job.id), worker_name="anna"):
        (process,) = await listed(connection)
        done = await acts.quiet(ana, connection, process.id)
        assert (done.message, done.affected) == ("Worker “anna” takes no new jobs.", 1)
        added = await queue("chat").add("x")
        assert (await listed(connection))[0].state == "quiet"
        await asyncio.sleep(0.2)
        assert ran == []
        assert (await acts.resume(ana, connection)).message == "Worker “anna” takes jobs again."
        await sight.until("completed", added.id)
    rows = [(row.action, row.actor, row.outcome, row.parameters) async for row in AuditEntry.objects.order_by("pk")]
    assert rows == [
        ("workers.quiet", "ana", Outcome.DONE, f'{{"process":"{process.id}"}}'),
        ("workers.resume", "ana", Outcome.DONE, '{"process":"all"}'),
    ]


async def test_one_process_is_spoken_to_or_all_of_them(connection):
    async with operating(forever, worker_name="anna") as anna, operating(forever, worker_name="ben") as ben:
        await listed(connection, 2)
        await acts.quiet(ana, connection, anna.id)
        assert (anna.is_quiet, ben.is_quiet) == (True, False)
        done = await acts.quiet(ana, connection)
        assert (done.message, done.affected) == ("2 workers take no new jobs.", 2)
        assert ben.is_quiet


async def test_where_one_of_two_does_not_answer_not_all_is_done(connection, client_of_redis, prefix, monkeypatch):
    monkeypatch.setattr(acts, "WAIT_S", 2.0)
    keys, now_ms = FleetKeys(prefix), int(client_of_redis.time()[0]) * 1000
    async with operating(lambda job: None, worker_name="anna"):
        await listed(connection)
        client_of_redis.set(keys.process("ben"), fleet.written(Beat("ben", name="ben", beat_ms=now_ms)))
        client_of_redis.zadd(keys.processes, {"ben": now_ms})
        done = await acts.quiet(ana, connection)
    assert done.message == "Worker “anna” takes no new jobs; worker “ben” did not answer."
    assert (done.affected, done.missed) == (1, 1)
    screen = Screen(io.StringIO(), io.StringIO(), is_json=False)
    assert told(Session(screen), [({"process": "all"}, done)]) is Exit.REFUSED


async def test_stop_is_as_sigterm(connection):
    asked = asyncio.Event()
    async with operating(forever, asked.set, worker_name="anna") as worker:
        await listed(connection)
        assert (await acts.stop(ana, connection)).message == "Worker “anna” finishes what it runs and ends."
        assert asked.is_set()
        await worker.stop()
        with pytest.raises(NotFound):
            await acts.quiet(ana, connection)


async def test_a_stopping_process_is_not_resumed(connection):
    go_on = asyncio.Event()

    async def wait(job):
        await go_on.wait()

    async with operating(wait) as worker:
        await queue("chat").add("x")
        await eventually(lambda: worker.running)
        await listed(connection)
        stopping = asyncio.create_task(worker.stop(5))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="It is stopping already"):
            await acts.resume(ana, connection, worker.id)
        go_on.set()
        await stopping


@pytest.mark.parametrize("retry", [False, True])
async def test_a_cancelled_async_job_fails_with_the_reason(connection, sight, retry):
    async with operating(forever) as worker:
        added = await queue("chat").add("x", attempts=3, backoff=3_600_000)
        await eventually(lambda: worker.running)
        await listed(connection)
        done = await acts.cancel_job(ana, connection, "chat", added.id, "wrong customer", retry)
        state = State.DELAYED if retry else State.FAILED
        assert done.state is state
        assert done.message == (f"Job “{added.id}” was cancelled: it is {state.label.lower()} now (“wrong customer”).")
        job = sight.job(added.id)
        assert (job["failedReason"], job["atm"]) == ("wrong customer", "1")
    row = await AuditEntry.objects.aget()
    assert (row.action, row.queue, row.job_id, row.outcome) == ("job.cancel", "chat", added.id, Outcome.DONE)


async def test_a_plain_function_sees_that_it_is_cancelled(connection, sight):
    def work(job):
        while not job.cancelled:
            time.sleep(0.01)
        raise RuntimeError("stopped by hand")

    async with operating(work) as worker:
        added = await queue("chat").add("x")
        await eventually(lambda: worker.running)
        await listed(connection)
        done = await acts.cancel_job(ana, connection, "chat", added.id)
        assert done.state is State.FAILED
        assert sight.job(added.id)["failedReason"] == "Cancelled by ana."


async def test_one_that_does_not_look_is_told_and_runs_on(connection, sight, monkeypatch):
    monkeypatch.setattr(acts, "WAIT_S", 0.5)
    go_on = threading.Event()

    async with operating(lambda job: go_on.wait(20)) as worker:
        added = await queue("chat").add("x")
        await eventually(lambda: worker.running)
        await listed(connection)
        done = await acts.cancel_job(ana, connection, "chat", added.id, "no")
        assert done.state is State.ACTIVE
        assert "runs on until it looks at job.cancelled" in done.message
        go_on.set()
        await sight.until("completed", added.id)


async def test_what_is_not_running_cannot_be_cancelled(connection, sight):
    async with operating(lambda job: None, queue="other"):
        await listed(connection)
        (waiting,) = await plant_waiting(connection, "chat")
        with pytest.raises(NotRunning, match=r"it is waiting\. Remove it instead"):
            await acts.cancel_job(ana, connection, "chat", waiting)
        (delayed,) = await plant_delayed(connection, "chat")
        with pytest.raises(NotRunning, match=r"it is delayed\. Remove it instead"):
            await acts.cancel_job(ana, connection, "chat", delayed)
        added = await queue("other").add("x")
        await Sight(sight.client, sight.keys.prefix, "other").until("completed", added.id)
        with pytest.raises(NotRunning, match=r"it is completed\. It has ended"):
            await acts.cancel_job(ana, connection, "other", added.id)
        with pytest.raises(JobNotFound):
            await acts.cancel_job(ana, connection, "chat", "nope")
        with pytest.raises(JobNotFound):
            await acts.cancel_job(ana, connection, "chat", "meta")
        with pytest.raises(InvalidInput):
            await acts.cancel_job(ana, connection, "chat", waiting, "r" * 5_000)
    refused = [row.outcome async for row in AuditEntry.objects.all()]
    assert set(refused) == {Outcome.REFUSED}


async def test_a_job_that_a_stranger_runs_is_left_alone(connection, sight):
    k = sight.keys
    (job_id,) = await plant_waiting(connection, "chat")
    sight.client.lmove(k("wait"), k("active"))
    with pytest.raises(NotRunning, match="no worker holds its lock"):
        await acts.cancel_job(ana, connection, "chat", job_id)
    sight.client.set(k.lock(job_id), f"{uuid.uuid4()}:0")
    with pytest.raises(Refused, match="has no ear for Toril"):
        await acts.cancel_job(ana, connection, "chat", job_id)


async def test_where_nobody_answers_that_is_said_and_what_was_asked_is_void(connection, monkeypatch, sight):
    """A frozen process: its heartbeat is still there, and it wakes too late."""
    monkeypatch.setattr(orders, "VALID_S", 0.3)
    monkeypatch.setattr(acts, "WAIT_S", 0.4)
    heard = asyncio.Event()
    hear = control.Control._hear

    async def late(self, order):
        await asyncio.sleep(0.6)
        await hear(self, order)
        heard.set()

    monkeypatch.setattr(control.Control, "_hear", late)
    async with operating(lambda job: None) as worker:
        await listed(connection)
        with pytest.raises(NoAnswer, match=r"No worker answered within 0\.3 s; nothing was done"):
            await acts.quiet(ana, connection)
        await eventually(heard.is_set)
        assert not worker.is_quiet
    assert (await AuditEntry.objects.aget()).outcome == Outcome.FAILED


async def test_a_blocked_loop_takes_the_request_and_follows_when_it_turns(connection, monkeypatch):
    monkeypatch.setattr(acts, "WAIT_S", 0.5)
    release, stands, answered = threading.Event(), threading.Event(), []

    async def block(job):
        stands.set()
        release.wait(20)

    def ask(process_id):
        stands.wait(20)
        try:
            answered.append(asyncio.run(acts.quiet(ana, connection, process_id)))
        finally:
            release.set()

    async with operating(block, worker_name="anna") as worker:
        (process,) = await listed(connection)
        asking = asyncio.create_task(asyncio.to_thread(ask, process.id))
        try:
            await queue("chat").add("x")
        except BaseException:
            stands.set()
            raise
        await asking
        assert answered[0].message == (
            "Worker “anna” took the request and will follow as soon as a job lets its event loop turn."
        )
        await eventually(lambda: worker.is_quiet)


async def test_what_was_asked_before_it_started_is_not_done(connection):
    async with operating(lambda job: None) as first:
        await listed(connection)
        await acts.quiet(ana, connection)
        assert first.is_quiet
        asked = asyncio.Event()
        async with operating(lambda job: None, asked.set, worker_name="second") as second:
            await listed(connection, 2)
            # It hears what comes after, and so has passed by what came before.
            await acts.stop(ana, connection, second.id)
            assert asked.is_set()
            assert not second.is_quiet


@pytest.mark.parametrize(
    "fields",
    [
        {"verb": "explode", "process": "*"},
        {"x": "y"},
        {"verb": "quiet", "process": "../etc"},
        {"verb": "quiet", "process": "*", "request": "x" * 2_000_000},
        {"verb": b"\xff\xfe", "process": b"\x00"},
    ],
)
def test_whatever_else_stands_in_the_stream_is_no_order(fields):
    wire = {name.encode(): value.encode() if isinstance(value, str) else value for name, value in fields.items()}
    assert orders.read(wire) is None


async def test_strangers_entries_are_ignored_with_one_line_and_orders_after_them_heard(
    connection, client_of_redis, prefix, caplog
):
    async with operating(lambda job: None) as worker:
        await listed(connection)
        for _ in range(30):
            client_of_redis.xadd(FleetKeys(prefix).control, {"verb": "explode", "\x1b[2J": "\x1b]0;x\x07"})
        await acts.quiet(ana, connection)
        assert worker.is_quiet
    assert caplog.text.count("is no order; ignored") == 1
    assert "\x1b" not in caplog.text


class _Unread(logging.Handler):
    """As a terminal or a pipe that nobody reads, for the lines that hold these words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.read = threading.Event()
        self.addFilter(lambda record: words in record.getMessage())

    def emit(self, record: logging.LogRecord) -> None:
        self.read.wait()


async def test_where_nobody_reads_its_log_it_hears_and_keeps_its_locks(connection, sight):
    unread = _Unread("asks:")
    logging.getLogger("queues.worker").addHandler(unread)
    try:
        async with operating(forever, lock_duration_ms=1_000) as worker:
            (process,) = await listed(connection)
            await queue("chat").add("x")
            await eventually(lambda: worker.running)
            try:
                await acts.quiet(ana, connection, process.id)
                await acts.resume(ana, connection, process.id)
                lock = sight.keys.lock("1")
                for _ in range(3):
                    # Not "more than now": right after a renewal there is no more.
                    await eventually(lambda: 0 < sight.client.pttl(lock) < 700)
                    await eventually(lambda: sight.client.pttl(lock) > 800)
            finally:
                unread.read.set()
    finally:
        logging.getLogger("queues.worker").removeHandler(unread)


async def test_it_hears_again_when_an_entry_with_a_forged_id_is_gone(connection, client_of_redis, prefix, monkeypatch):
    monkeypatch.setattr(control, "BLOCK_MS", 200)
    stream = FleetKeys(prefix).control
    async with operating(lambda job: None) as worker:
        await listed(connection)
        client_of_redis.xadd(stream, {"x": "y"}, id=f"{int(time.time() * 1000) + 10**9}-0")
        await acts.quiet(ana, connection)
        assert worker.is_quiet
        client_of_redis.delete(stream)

        async def hears_it() -> bool:
            try:
                return bool(await acts.resume(ana, connection))
            except NoAnswer:
                return False

        await eventually(hears_it, 20)
        assert not worker.is_quiet


async def test_an_order_with_a_forged_id_is_carried_out_once(connection, client_of_redis, prefix, monkeypatch, caplog):
    monkeypatch.setattr(control, "BLOCK_MS", 100)
    looks = []
    monkeypatch.setattr(orders, "still", partial(_counted, looks, orders.still))
    fields = {"verb": "quiet", "process": "*", "request": str(uuid.uuid4()), "until_ms": 10**15, "by": "eve"}
    async with operating(lambda job: None):
        await listed(connection)
        client_of_redis.xadd(FleetKeys(prefix).control, fields, id=f"{int(time.time() * 1000) + 10**9}-0")
        await eventually(lambda: "eve asks: quiet" in caplog.text)
        looks.clear()
        await eventually(lambda: len(looks) > 3)
    assert caplog.text.count("eve asks: quiet") == 1


async def _counted(calls, function, *arguments):
    calls.append(arguments)
    return await function(*arguments)


async def test_what_stands_in_the_stream_s_place_is_named(connection, client_of_redis, prefix):
    async with operating(lambda job: None):
        await listed(connection)
        client_of_redis.set(FleetKeys(prefix).control, "x")
        with pytest.raises(RedisRefused, match=f"by {prefix}::{{toril}}:control: .*WRONGTYPE"):
            await acts.quiet(ana, connection)


async def test_answers_tell_who_took_it_and_what_came_of_it(connection):
    async with operating(lambda job: None) as worker:
        await listed(connection)
        given = await orders.give(connection, Order(Verb.QUIET, ALL, "ana", 0))

        async def done():
            answer = (await orders.answers(connection, given.request)).get(worker.id)
            return answer if answer and answer.stage is Stage.DONE else None

        assert (await eventually(done)).message == "It takes no new jobs."


async def test_answers_and_orders_do_not_stay(connection, client_of_redis, prefix):
    async with operating(lambda job: None):
        await listed(connection)
        await acts.quiet(ana, connection)
        keys = [
            key
            for key in client_of_redis.scan_iter(f"{prefix}::{{toril}}:*")
            if b":control" in key or b":answer:" in key
        ]
        assert len(keys) == 2
        assert all(0 < client_of_redis.pttl(key) <= orders.KEPT_S * 1000 for key in keys)


async def test_it_listens_again_when_redis_comes_back(own_redis, settings):
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "again"}}}
    reset_options()
    async with operating(lambda job: None) as worker:
        await listed("default")
        own_redis.stop()
        own_redis.start()

        async def takes_it():
            try:
                return await acts.quiet(ana, "default")
            except Exception:
                return None

        await eventually(takes_it, 20)
        assert worker.is_quiet
    reset_options()


async def test_a_worker_process_holds_three_connections_and_one_for_each_queue(connection, client_of_redis, prefix):
    """As docs/commands.md says (THREATS.md A3.21)."""

    def held(start: str) -> int:
        return sum(row["name"].startswith(start) for row in client_of_redis.client_list())

    async with operating(lambda job: None, worker_name=prefix):
        await listed(connection)
        await acts.quiet(ana, connection)
        await eventually(lambda: (held(f"toril:{prefix}:"), held(f"{prefix}:")) == (3, 1))
    await eventually(lambda: held(f"toril:{prefix}:") + held(f"{prefix}:") == 0)
