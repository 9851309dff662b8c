"""What happens in Redis reaches everyone who looks, once, as fragments; asked for once, whoever looks."""

from __future__ import annotations

import asyncio
import signal
import time
from itertools import pairwise

import pytest
import redis

from dashboard.live import board as board_module
from dashboard.live import watcher as watching_module
from dashboard.live.viewer import seen
from queues.lookups import snapshot as snapshots
from queues.options import reset_options
from queues.protocol.reads.marks import JobMark, job_marks
from queues.protocol.writes import pause, remove_job, resume, retry_job
from queues.states import State
from tests.eventually import Stopwatch, eventually
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.watching import Onlooker, watching

UNTOUCHED = seen(JobMark())

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
async def _nothing_left():
    before = asyncio.all_tasks()
    yield
    await snapshots.forget()
    reset_options()
    left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    assert not left, left


def use(settings, url: str, prefix: str) -> None:
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": url, "PREFIX": prefix}}}
    reset_options()


async def test_a_count_moves_within_half_a_second_of_the_event(connection):
    await plant_waiting(connection, "chat")
    viewer = Onlooker("chat")
    async with watching(viewer):
        assert viewer.count("chat", "waiting") == 1
        watch = Stopwatch()
        await plant_waiting(connection, "chat", 2)
        await eventually(lambda: viewer.count("chat", "waiting") == 3)
        assert watch.calm_s < 1.0


async def test_a_burst_becomes_one_push(connection):
    await plant_waiting(connection, "chat")
    viewer = Onlooker("chat")
    async with watching(viewer):
        viewer.clear()
        for _ in range(50):
            await plant_waiting(connection, "chat")
        await eventually(lambda: viewer.count("chat", "waiting") == 51)
        assert viewer.times["count__chat__waiting"] <= 3


async def test_what_happens_right_after_the_counts_were_read_is_not_lost(connection, monkeypatch):
    monkeypatch.setattr(watching_module, "SWEEP_S", 3600)
    monkeypatch.setattr(watching_module, "LONGEST_SWEEP_S", 3600)
    await plant_waiting(connection, "chat")
    read, late = snapshots.refresh, []

    async def read_and_then_something_happens(*args):
        result = await read(*args)
        if not late:
            late.extend(await plant_waiting(connection, "chat"))
        return result

    viewer = Onlooker("chat")
    async with watching(viewer):
        monkeypatch.setattr(snapshots, "refresh", read_and_then_something_happens)
        await plant_waiting(connection, "chat")
        await eventually(lambda: viewer.count("chat", "waiting") == 3)


async def test_who_comes_right_after_a_button_is_sent_nothing_older_than_the_page(connection):
    await plant_waiting(connection, "chat")
    async with watching(Onlooker()) as watcher:
        await pause(connection, "chat")
        await snapshots.refresh(connection, ["chat"])
        viewer = Onlooker(since=time.time())
        await watcher.join(viewer)
        assert "paused" in viewer.text("queue-row", "chat")


async def test_only_what_changed_is_sent(connection):
    await plant_waiting(connection, "chat")
    await plant_waiting(connection, "mail")
    viewer = Onlooker("chat")
    async with watching(viewer):
        viewer.clear()
        await plant_waiting(connection, "chat")
        await eventually(lambda: viewer.count("chat", "waiting") == 2)
        assert viewer.count("chat", "failed") is None
        assert viewer.text("nav", "mail") is None


async def test_the_overview_gets_rows_and_a_queue_page_its_own_tabs_and_both_the_navigation(connection):
    await plant_waiting(connection, "chat")
    await plant_waiting(connection, "mail")
    overview, page = Onlooker(), Onlooker("chat")
    async with watching(overview, page):
        await pause(connection, "mail")
        await eventually(lambda: "paused" in (overview.text("queue-row", "mail") or ""))
        await eventually(lambda: "paused" in (page.text("nav", "mail") or ""))
        assert page.text("queue-row", "mail") is None
        assert page.text("facts", "mail") is None
        assert overview.text("facts", "mail") is None
        await resume(connection, "mail")
        await eventually(lambda: "paused" not in overview.text("queue-row", "mail"))


async def test_odd_names_reach_their_own_elements(connection):
    odd = ["a/b", "a b", "ünï", "<script>alert(1)</script>", '"><img src=x>', "名", "a.b#c", "-", "x__y", "x"]
    for name in odd:
        await plant_waiting(connection, name)
    viewer = Onlooker()
    async with watching(viewer):
        for name in odd:
            assert name in viewer.text("queue-row", name)
        assert not [shown for shown in viewer.shown.values() if "<script>" in shown or "<img" in shown]


async def test_one_viewer_and_fifty_cost_redis_the_same(connection, client_of_redis, monkeypatch):
    monkeypatch.setattr(watching_module, "SWEEP_S", 3600)
    monkeypatch.setattr(watching_module, "LONGEST_SWEEP_S", 3600)
    await plant_waiting(connection, "chat")

    def asked() -> int:
        stats = client_of_redis.info("commandstats")
        return sum(stats[f"cmdstat_{name}"]["calls"] for name in ("xread", "hmget", "time", "llen", "zcard"))

    async def cost_of(many: int) -> int:
        viewers = [Onlooker("chat", session=str(n)) for n in range(many)]
        async with watching(*viewers):
            before = asked()
            for _ in range(5):
                before_it = viewers[0].count("chat", "waiting")
                await plant_waiting(connection, "chat")
                await eventually(lambda n=before_it: all(v.count("chat", "waiting") == n + 1 for v in viewers))
            return asked() - before

    one, fifty = await cost_of(1), await cost_of(50)
    assert fifty <= one + 3, (one, fifty)


async def test_a_reconnect_gets_what_changed_since_its_page_was_drawn_and_no_more(connection, monkeypatch):
    monkeypatch.setattr(board_module, "SKEW_S", 0.0)
    await plant_waiting(connection, "chat")
    await plant_waiting(connection, "mail")
    first = Onlooker()
    async with watching(first) as watcher:
        drawn_at = time.time()
        await plant_waiting(connection, "chat")
        await eventually(lambda: "2" in first.text("queue-row", "chat"))
        back = Onlooker(since=drawn_at)
        await watcher.join(back)
        assert "2" in back.text("queue-row", "chat")
        assert back.text("queue-row", "mail") is None
        stranger = Onlooker()
        await watcher.join(stranger)
        assert stranger.text("queue-row", "mail") is not None


async def test_a_queue_that_comes_or_goes_is_announced(connection, client_of_redis, prefix, monkeypatch):
    monkeypatch.setattr(watching_module, "SWEEP_S", 0.3)
    await plant_waiting(connection, "chat")
    viewer = Onlooker()
    async with watching(viewer):
        assert viewer.text("queue-names") is None
        await plant_waiting(connection, "video")
        await eventually(lambda: "New queue: video" in (viewer.text("queue-names") or ""), 10)
        await plant_waiting(connection, "video")
        await eventually(lambda: "2" in (viewer.text("queue-row", "video") or ""))
        for key in client_of_redis.scan_iter(f"{prefix}:video:*"):
            client_of_redis.delete(key)
        await eventually(lambda: "Gone: video" in viewer.text("queue-names"), 10)


async def test_the_page_of_a_queue_that_is_not_there_yet_comes_to_life_with_its_first_job(connection):
    await plant_waiting(connection, "chat")
    viewer = Onlooker("video")
    async with watching(viewer):
        assert viewer.count("video", "waiting") is None
        await plant_waiting(connection, "video")
        await eventually(lambda: viewer.count("video", "waiting") == 1, 2)


async def test_who_comes_back_a_moment_later_is_told_all_the_same(connection, monkeypatch):
    monkeypatch.setattr(watching_module, "SWEEP_S", 0.1)
    await plant_waiting(connection, "chat")
    first = Onlooker()
    async with watching(first) as watcher:
        watcher.leave(first)
        swept_at = watcher._sweep_at
        await eventually(lambda: watcher._sweep_at > swept_at, what="a sweep while nobody looks")
        back = Onlooker()
        await watcher.join(back)
        assert back.text("live-status") == "live"
        assert back.text("queue-row", "chat")


async def test_a_change_without_an_event_is_seen_by_the_sweep(connection, client_of_redis, prefix, monkeypatch):
    monkeypatch.setattr(watching_module, "SWEEP_S", 0.5)
    await plant_delayed(connection, "chat", 2)
    viewer = Onlooker("chat")
    async with watching(viewer):
        assert viewer.count("chat", "delayed") == 2
        client_of_redis.zremrangebyrank(f"{prefix}:chat:delayed", 0, 0)
        await eventually(lambda: viewer.count("chat", "delayed") == 1)


async def test_an_event_key_of_another_type_silences_its_own_queue_only(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    client_of_redis.hset(f"{prefix}:broken:meta", "version", "x")
    client_of_redis.set(f"{prefix}:broken:events", "not a stream")
    viewer = Onlooker("chat")
    async with watching(viewer):
        await plant_waiting(connection, "chat")
        await eventually(lambda: viewer.count("chat", "waiting") == 2)


async def test_where_xread_is_forbidden_the_counts_are_polled(own_redis, prefix, settings):
    with redis.Redis(port=own_redis.port) as admin:
        admin.acl_setuser("looker", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-xread"])
        url = own_redis.url.replace("redis://", "redis://looker:x@")
        use(settings, url, prefix)
        await plant_waiting("default", "chat")
        viewer = Onlooker("chat")
        async with watching(viewer):
            await plant_waiting("default", "chat")
            await eventually(lambda: viewer.count("chat", "waiting") == 2, 4)
            assert "not answer" not in viewer.text("live-status")


# --- one job


async def test_a_job_page_is_told_when_its_job_moves_and_only_then(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    [mark] = await job_marks(connection, [("chat", "1", None)])
    viewer = Onlooker("chat", "1", since=time.time(), seen=seen(mark))
    other = Onlooker("chat", "2", since=time.time(), seen=seen(mark))
    async with watching(viewer, other):
        assert "job-moved" not in viewer.times
        await retry_job(connection, "chat", "1", State.FAILED)
        await eventually(lambda: viewer.times.get("job-moved"))
        await remove_job(connection, "chat", "1")
        await eventually(lambda: viewer.times["job-moved"] >= 2)


async def test_a_job_that_moved_before_its_page_had_connected_is_fetched_again(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat")
    late = Onlooker("chat", "1", since=time.time(), seen=UNTOUCHED)
    old = Onlooker("chat", "1", since=time.time() - 3600, seen="")
    async with watching(late, old):
        assert late.times["job-moved"] == 1
        assert old.times["job-moved"] == 1


async def test_progress_makes_a_page_fetch_its_job_no_more_than_once_a_second(connection, client_of_redis, prefix):
    def progress(step: int) -> None:
        client_of_redis.hset(f"{prefix}:chat:1", "progress", step)
        client_of_redis.xadd(f"{prefix}:chat:events", {"event": "progress", "jobId": "1", "data": step})

    await plant_waiting(connection, "chat")
    viewer = Onlooker("chat", "1", since=time.time(), seen=UNTOUCHED)
    async with watching(viewer):
        told: list[float] = []
        steps = iter(range(10_000))

        def moved() -> bool:
            progress(next(steps))
            if viewer.times.get("job-moved", 0) > len(told):
                told.append(time.monotonic())
            return len(told) == 3

        await eventually(moved)
        assert min(later - earlier for earlier, later in pairwise(told)) > 0.9
        progress(10_000)
        await eventually(lambda: viewer.times["job-moved"] > 3, what="the last progress is told too")


async def test_a_step_is_told_at_once_even_right_after_progress(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    viewer = Onlooker("chat", "1", since=time.time(), seen=UNTOUCHED)
    async with watching(viewer):
        client_of_redis.hset(f"{prefix}:chat:1", "progress", 1)
        client_of_redis.xadd(f"{prefix}:chat:events", {"event": "progress", "jobId": "1", "data": 1})
        await eventually(lambda: viewer.times.get("job-moved") == 1)
        await remove_job(connection, "chat", "1")
        await eventually(lambda: viewer.times.get("job-moved") == 2, 0.9)


# --- Redis gone


async def test_redis_gone_is_told_within_five_seconds_and_it_comes_back_by_itself(own_redis, prefix, settings):
    use(settings, own_redis.url, prefix)
    await plant_waiting("default", "chat")
    viewer = Onlooker("chat")
    async with watching(viewer):
        assert viewer.text("live-status") == "live"
        own_redis.stop()
        await eventually(lambda: "Redis has not answered for" in viewer.text("live-status"), 5)
        assert viewer.count("chat", "waiting") == 1
        own_redis.start()
        await plant_waiting("default", "chat", 3)
        await eventually(lambda: viewer.text("live-status") == "live", 5)
        await eventually(lambda: viewer.count("chat", "waiting") == 3)


async def test_a_redis_that_hangs_is_told_within_five_seconds(own_redis, prefix, settings):
    use(settings, own_redis.url, prefix)
    await plant_waiting("default", "chat")
    viewer = Onlooker("chat")
    async with watching(viewer):
        own_redis.process.send_signal(signal.SIGSTOP)
        try:
            await eventually(lambda: "not answered" in viewer.text("live-status"), 5)
        finally:
            own_redis.process.send_signal(signal.SIGCONT)
        await eventually(lambda: viewer.text("live-status") == "live", 5)


async def test_a_watcher_that_fails_says_so_and_starts_again(connection, monkeypatch, caplog):
    await plant_waiting(connection, "chat")
    viewer = Onlooker("chat")
    async with watching(viewer) as watcher:
        show, failed = watcher.board.show, []

        async def fail_once(*args):
            if not failed:
                failed.append(1)
                raise ZeroDivisionError
            await show(*args)

        monkeypatch.setattr(watcher.board, "show", fail_once)
        await plant_waiting(connection, "chat")
        await eventually(lambda: viewer.count("chat", "waiting") == 2)
        assert viewer.times["live-status"] == 3
        assert "starts again" in caplog.text
