"""The self-check: every check is green where all is well, and red for real where it is not."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta

import pytest
import redis
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection as database
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.actions.actor import Actor
from queues.actions.queues import pause_queue
from queues.lookups import self_check, server
from queues.lookups.self_check import Tables
from queues.models import Cursor, Job, Lease, MirrorReport, MirrorSize, Queue
from queues.options import reset_options
from queues.protocol import scripts
from queues.protocol.reads import about
from tests.planting import plant_failed, plant_waiting
from tests.web.conftest import signed_in
from tests.web.planted import text_of

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/queues/check"


@pytest.fixture(autouse=True)
def _a_good_key(settings):
    """Before anybody signs in: sessions are signed with it."""
    settings.SECRET_KEY = "k3y-" + "abcdefghijklmnopqrstuvwxyz0123456789ABCD"


@pytest.fixture
def own(own_redis, prefix, settings, monkeypatch):
    """A server of this test's own that is as it should be, under settings that are too; a client of it."""
    monkeypatch.setattr(server, "EVERY_S", 0.0)
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    settings.ALLOWED_HOSTS = ["testserver"]
    reset_options()
    with redis.Redis(port=own_redis.port) as client:
        client.save()
        yield client
    reset_options()


@pytest.fixture
async def mirrored(transactional_db):
    """A mirror that renews its lease."""
    await Lease.objects.aupdate_or_create(
        name="mirror", defaults={"holder": "web-1:7:x:y", "until": timezone.now() + timedelta(hours=1)}
    )


async def verdicts(browser) -> dict[str, tuple[str, str]]:
    """Title → verdict and everything said."""
    answer = await browser.get(PAGE)
    assert answer.status_code == 200, answer.content
    items = re.findall(r"<li><span class=\"verdict (\w+)\">(.*?)</li>", answer.content.decode(), re.DOTALL)
    return {re.search(r"<b>(.*?)</b>", body)[1]: (verdict, text_of(body)) for verdict, body in items}


async def verdict(browser, title: str) -> tuple[str, str]:
    found = await verdicts(browser)
    assert title in found, found
    return found[title]


async def test_where_all_is_well_every_check_is(admin, own, mirrored, prefix):
    plant_failed(own, prefix, "chat")
    found = await verdicts(admin)
    assert {title: told for title, told in found.items() if told[0] != "ok"} == {}
    assert next(iter(found)) == "Redis answers"
    assert len(found) == 16


async def test_a_redis_that_never_answered_is_wrong_and_the_rest_is_checked(admin, own, own_redis):
    own_redis.stop()
    found = await verdicts(admin)
    assert found["Redis answers"][0] == "bad"
    assert "REDIS_URL" in found["Redis answers"][1]
    assert found["The database takes what is written"][0] == "ok"
    assert "Its version" not in found


async def test_a_replica_cannot_be_written_to(admin, own, redis_server):
    own.replicaof("127.0.0.1", redis_server.port)
    try:
        assert (await verdict(admin, "Redis answers"))[0] == "bad"
    finally:
        own.replicaof("no", "one")


async def test_an_old_redis(admin, own, monkeypatch):
    told = about.info_values
    # No such server is installed here: what it would say of itself stands in for it.
    monkeypatch.setattr(about, "info_values", lambda reply: told(reply) | {"redis_version": "4.0.14"})
    assert (await verdict(admin, "Its version"))[0] == "bad"
    monkeypatch.setattr(about, "info_values", lambda reply: told(reply) | {"redis_version": "6.0.9"})
    assert (await verdict(admin, "Its version"))[0] == "warning"


async def test_an_eviction_policy_that_drops_jobs(admin, own):
    own.config_set("maxmemory-policy", "allkeys-lru")
    found, said = await verdict(admin, "Jobs are never evicted")
    assert found == "warning"
    assert "CONFIG SET maxmemory-policy noeviction" in said
    own.config_set("maxmemory", 512 * 1024 * 1024)
    assert (await verdict(admin, "Jobs are never evicted"))[0] == "bad"


async def test_a_memory_that_is_nearly_full(admin, own):
    own.config_set("maxmemory", int(own.info("memory")["used_memory"] * 1.02))
    assert (await verdict(admin, "There is memory left"))[0] == "bad"


async def test_a_redis_that_keeps_nothing(admin, own, own_redis):
    own_redis.stop()
    own_redis.start()
    found, said = await verdict(admin, "Jobs survive a restart of Redis")
    assert (found, "appendonly" in said) == ("warning", True)


async def test_scripts_that_are_not_those_that_are_known(admin, own, tmp_path, monkeypatch):
    lock = json.loads(scripts.LOCK.read_text())
    lock["scripts"]["retryJob"]["keys"] += 1
    changed = tmp_path / "lock.json"
    changed.write_text(json.dumps(lock))
    monkeypatch.setattr(scripts, "LOCK", changed)
    scripts._lock.cache_clear()
    scripts.script.cache_clear()
    try:
        found, said = await verdict(admin, "BullMQ’s scripts are those that Toril knows")
    finally:
        monkeypatch.undo()
        scripts._lock.cache_clear()
        scripts.script.cache_clear()
    assert found == "bad"
    assert "retryJob-" in said


async def test_clocks_that_differ(admin, own, monkeypatch):
    class Ahead:
        monotonic = staticmethod(time.monotonic)
        shift = 0.0

        @classmethod
        def time(cls) -> float:
            return time.time() + cls.shift

    monkeypatch.setattr(about, "time", Ahead)
    for shift, expected in ((0.0, "ok"), (1.0, "warning"), (-30.0, "bad")):
        Ahead.shift = shift
        assert (await verdict(admin, "This machine’s clock and Redis’s agree"))[0] == expected


async def test_a_broken_queue(admin, own, prefix):
    own.hset(f"{prefix}:odd:meta", "version", "bullmq:6")
    own.set(f"{prefix}:odd:wait", "no list")
    found, said = await verdict(admin, "No queue is broken")
    assert (found, "odd" in said) == ("bad", True)


async def test_jobs_that_wait_for_nobody(admin, own):
    for at in range(7):
        await plant_waiting("default", f"chat{at}", 1)
    found, said = await verdict(admin, "Where jobs wait, workers are there")
    assert found == "warning"
    assert "chat0, chat1, chat2, chat3, chat4 and 2 more" in said
    for at in range(7):
        await pause_queue(Actor(None, "ana"), "default", f"chat{at}")
    assert (await verdict(admin, "Where jobs wait, workers are there"))[0] == "ok"


async def test_running_jobs_that_nobody_looks_after(admin, own, prefix):
    own.hset(f"{prefix}:chat:meta", "version", "bullmq:6")
    own.lpush(f"{prefix}:chat:active", "7")
    assert (await verdict(admin, "Jobs of dead workers are noticed"))[0] == "warning"
    own.set(f"{prefix}:chat:stalled-check", 1, px=30_000)
    assert (await verdict(admin, "Jobs of dead workers are noticed"))[0] == "ok"


async def test_a_stream_that_nobody_trims(admin, own, prefix):
    own.hset(f"{prefix}:chat:meta", "opts.maxLenEvents", 1_000)
    with own.pipeline(transaction=False) as pipe:
        for _ in range(2_100):
            pipe.xadd(f"{prefix}:chat:events", {"event": "drained"})
        pipe.execute()
    found, said = await verdict(admin, "Event streams are kept short")
    assert (found, "chat (2,100)" in said) == ("warning", True)


async def test_a_mirror_that_is_not_there_dead_or_late(admin, own, mirrored, prefix):
    await plant_waiting("default", "chat", 1)
    assert (await verdict(admin, "The mirror follows"))[0] == "ok"
    await Queue.objects.acreate(connection="default", name="chat", cursor=f"{int(time.time() * 1000) - 300_000}-0")
    found, said = await verdict(admin, "The mirror follows")
    assert (found, "web-1" in said, "5 min" in said or "4 min" in said) == ("warning", True, True)
    await Lease.objects.aupdate(until=timezone.now() - timedelta(seconds=60))
    assert "It does not run." in (await verdict(admin, "The mirror follows"))[1]
    await Lease.objects.all().adelete()
    assert (await verdict(admin, "The mirror follows"))[0] == "warning"


async def test_a_database_that_takes_nothing_or_lacks_a_table(admin, own, mirrored, monkeypatch):
    def query_only(value: str) -> None:
        with database.cursor() as cursor:
            cursor.execute(f"PRAGMA query_only = {value}")

    def looked_up() -> Tables:
        query_only("ON")
        try:
            return self_check.look_at_tables()
        finally:
            query_only("OFF")

    @sync_to_async
    def rename_migration(old: str, new: str) -> None:
        with database.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET name = %s WHERE app = 'toril' AND name = %s", [new, old])

    # As for a request, in a thread and with a connection of its own.
    monkeypatch.setattr(self_check, "tables", sync_to_async(looked_up))
    try:
        found, said = await verdict(admin, "The database takes what is written")
    finally:
        monkeypatch.undo()
    assert (found, "readonly" in said) == ("bad", True)
    newest = await MigrationRecorder.Migration.objects.filter(app="toril").order_by("-name").afirst()
    await rename_migration(newest.name, "gone")
    try:
        found, said = await verdict(admin, "The database takes what is written")
    finally:
        await rename_migration("gone", newest.name)
    assert (found, f"toril.{newest.name}" in said) == ("bad", True)


async def test_secret_settings_that_lie_open(admin, own, settings):
    title = "Nothing secret lies open"
    for name, value, expected in (
        ("DEBUG", True, "bad"),
        ("SECRET_KEY", "django-insecure-" + "abcdefghijklmnop" * 4, "bad"),
        ("ALLOWED_HOSTS", ["*"], "warning"),
        ("ALLOWED_HOSTS", ["testserver", "ops.example.com"], "warning"),
    ):
        before = getattr(settings, name)
        setattr(settings, name, value)
        # A session is signed with the key: whoever looks signs in again.
        await admin.aforce_login(await User.objects.aget(username="admin"))
        assert (await verdict(admin, title))[0] == expected, name
        setattr(settings, name, before)


async def test_where_the_site_is_weak_is_told_to_those_alone_who_see_every_queue(transactional_db, own, prefix):
    plant_failed(own, prefix, "open")
    own.hset(f"{prefix}:hidden:meta", "version", "bullmq:6")
    own.set(f"{prefix}:hidden:wait", "no list")
    browser = await signed_in("blinkered")
    user = await User.objects.aget(username="blinkered")
    await QueueGrant.objects.acreate(user=user, connection="*", queue="open", abilities=["view"])
    found = await verdicts(browser)
    assert "Nothing secret lies open" not in found
    assert found["No queue is broken"][0] == "ok"


async def test_how_the_mirror_stands_is_said_in_full_to_those_who_see_the_queue(admin, own, mirrored, prefix):
    plant_failed(own, prefix, "chat")
    plant_failed(own, prefix, "open")
    now = timezone.now()
    await MirrorReport.objects.acreate(
        connection="default", said_at=now, lag_s=0.2, mending=2, losses=1, lost_at=now, lost_queue="chat",
        lost_why="its event stream was trimmed before it was read, 12.5 s of events",
    )  # fmt: skip
    await MirrorSize.objects.acreate(name="jobs", rows=1_234_567, removed=1_000_000, bytes=2**30, measured_at=now)
    await Cursor.objects.acreate(name="search", at=0)
    found = await verdicts(admin)
    verdict, said = found["The mirror follows"]
    assert verdict == "ok"
    assert "2 queues are being compared with their sets. It last skipped ahead in chat: its event stream" in said
    assert "12.5 s of events." in said
    kept = "1,234,567 jobs, 1,000,000 of which Redis no longer has, in about 1,024 MB."
    assert kept in found["What the mirror keeps"][1]
    assert "It was measured " in found["What the mirror keeps"][1]
    await Job.objects.acreate(queue="chat", job_id="1", state="failed", change=1, synced_at=now - timedelta(minutes=5))
    verdict, said = (await verdicts(admin))["What follows the mirror’s rows is up to date"]
    assert verdict == "warning"
    assert "search (5 min" in said
    browser = await signed_in("blinkered")
    user = await User.objects.aget(username="blinkered")
    await QueueGrant.objects.acreate(user=user, connection="*", queue="open", abilities=["view"])
    found = await verdicts(browser)
    assert "What the mirror keeps" not in found
    assert "chat" not in found["The mirror follows"][1]
