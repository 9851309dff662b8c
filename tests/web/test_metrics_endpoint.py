"""/metrics: BullMQ's own names with what Redis holds, to whom it may be told, and at what cost."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis
from django.contrib.auth.models import User
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from dashboard.api import exposition
from dashboard.api import metrics as endpoint
from dashboard.models import QueueGrant
from queues import histogram
from queues.lookups import exported
from queues.options import reset_options
from queues.protocol import fleet
from queues.protocol.connections import prefix as prefix_of
from queues.protocol.connections import wire
from queues.protocol.fleet import Beat, Share, beat_commands
from queues.protocol.keys import FleetKeys, SampleKeys
from queues.protocol.samples import COMPLETED, FAILED, RETRIED, WAIT, record_command
from tests.inprocess import in_process  # noqa: F401
from tests.monitoring import promtool
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, plant_evil

pytestmark = pytest.mark.django_db(transaction=True)
Samples = dict[tuple[str, ...], float]


@pytest.fixture
def fresh(monkeypatch):
    """Every scrape reads anew."""
    for module in (endpoint, exported):
        monkeypatch.setattr(module, "EVERY_S", 0.0)


@pytest.fixture(autouse=True)
def beats_last(monkeypatch):
    """However slow the machine is, who was heard before the test began is neither silent nor forgotten in it."""
    monkeypatch.setattr(fleet, "KEPT_S", 36_000.0)
    monkeypatch.setattr(exposition, "SILENT_AFTER_S", 3_600.0)


@pytest.fixture
def set_metrics(settings, connection):
    def told(**options):
        metrics = {key: value for key, value in options.items() if key != "PUBLIC_COUNTS"}
        settings.TORIL = {**settings.TORIL, "METRICS": metrics, "PUBLIC_COUNTS": options.get("PUBLIC_COUNTS", False)}
        reset_options()

    return told


async def text(browser: Browser, query: str = "", **kwargs: object) -> str:
    answer = await browser.get("/metrics" + query, **kwargs)
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode())


def samples(told: str) -> Samples:
    """(name, label values in the order of their names) → value."""
    found = [sample for family in prometheus(told) for sample in family.samples]
    assert len({(one.name, tuple(sorted(one.labels.items()))) for one in found}) == len(found)
    return {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in found}


async def plant_totals(connection: str, queue: str = "chat") -> None:
    on, ran, waited = SampleKeys(prefix_of(connection)), histogram.bucket(0.2), WAIT + histogram.bucket(3.0)
    told = {"mail": {COMPLETED: 4, FAILED: 1, RETRIED: 2, ran: 7, waited: 5}}
    await wire(connection).call(record_command(on, "p1", 1, queue, int(time.time()) // 60, told))


async def plant_beat(connection: str, *queues: str, process: str = "p-1", age_s: float = 0) -> None:
    now = int(time.time() * 1000)
    shares = tuple(Share(queue, 5, 2) for queue in queues)
    beat = Beat(id=process, name="mailer", host="alpha", beat_ms=now - int(age_s * 1000), queues=shares)
    await wire(connection).run(beat_commands(FleetKeys(prefix_of(connection)), beat))


async def test_counts_totals_times_and_standing_of_each_queue(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 3)
    await plant_delayed(connection, "chat", 2)
    plant_failed(client_of_redis, prefix, "chat", 4)
    client_of_redis.hset(f"{prefix}:calm:meta", mapping={"paused": 1, "max": 1, "duration": 3_600_000})
    client_of_redis.set(f"{prefix}:calm:limiter", 1, px=3_600_000)
    client_of_redis.hset(f"{prefix}:calm:metrics:completed", "count", 12)
    await plant_totals(connection)
    await plant_beat(connection, "chat", "calm")
    await plant_beat(connection, "chat", process="p-2", age_s=7_200)
    found = samples(await text(viewer))
    for state, count in {"waiting": 3, "delayed": 2, "failed": 4, "active": 0, "waiting-children": 0}.items():
        assert found["bullmq_job_count", "chat", state] == count
    ended = {kind: found.get((f"bullmq_job_{kind}_total", "chat")) for kind in ("completed", "failed", "retried")}
    assert ended == {"completed": 4, "failed": 1, "retried": 2}
    assert found["bullmq_job_completed_total", "calm"] == 12
    assert ("bullmq_job_retried_total", "calm") not in found
    assert found["bullmq_job_duration_seconds_bucket", "0.128", "chat"] == 0
    assert found["bullmq_job_duration_seconds_bucket", "0.256", "chat"] == 7
    assert found["bullmq_job_duration_seconds_count", "chat"] == 7
    assert found["bullmq_job_wait_seconds_bucket", "+Inf", "chat"] == 5
    assert found["bullmq_job_wait_seconds_sum", "chat"] == pytest.approx(15, rel=histogram.ERROR)
    assert ("bullmq_job_wait_seconds_count", "calm") not in found
    assert 0 <= found["bullmq_queue_oldest_waiting_seconds", "chat"] < 3_600
    assert found["bullmq_queue_oldest_waiting_seconds", "calm"] == 0
    assert (found["bullmq_queue_paused", "chat"], found["bullmq_queue_paused", "calm"]) == (0, 1)
    assert found["bullmq_rate_limited_seconds", "chat"] == 0 < found["bullmq_rate_limited_seconds", "calm"] <= 3_600
    assert (found["bullmq_worker_slots", "chat"], found["bullmq_worker_slots_used", "chat"]) == (5, 2)
    ages_s = [found["bullmq_worker_last_heartbeat_seconds", process, "mailer"] for process in ("p-2", "p-1")]
    assert ages_s[0] - ages_s[1] == pytest.approx(7_200, abs=600)
    assert (found["bullmq_redis_up",], found["toril_mirror_up",]) == (1, 0)
    assert found["bullmq_redis_memory_used_bytes",] > 0


async def test_of_queues_that_are_not_seen_nothing_is_told(connection, client_of_redis):
    for queue in ("open", "secret"):
        await plant_waiting(connection, queue)
        await plant_totals(connection, queue)
    await plant_beat(connection, "open", "secret", process="both")
    await plant_beat(connection, "secret", process="hidden")
    browser = await signed_in("someone")
    user = await User.objects.aget(username="someone")
    await QueueGrant.objects.acreate(user=user, connection="*", queue="open", abilities=["view"])
    told = await text(browser)
    assert 'bullmq_job_completed_total{queue="open"} 4.0' in told
    assert "both" in told
    assert "secret" not in told
    assert "hidden" not in told


async def test_who_may_read_it(anonymous, stranger, viewer, set_metrics, connection):
    await plant_waiting(connection, "chat")
    await plant_beat(connection, "chat")
    far = Browser(address="203.0.113.9")
    near, mapped = Browser(address="10.1.2.3"), Browser(address="::ffff:10.1.2.3")

    async def statuses(**kwargs: object) -> list[int]:
        asking = (anonymous, far, near, mapped, stranger, viewer)
        return [(await browser.get("/metrics", **kwargs)).status_code for browser in asking]

    set_metrics()
    assert await statuses() == [401, 401, 401, 401, 403, 200]
    set_metrics(NETWORKS=["10.0.0.0/8", "fd00::/8"])
    assert await statuses() == [401, 401, 200, 200, 403, 200]
    # Behind a proxy it is the proxy that connects, whether it is ours or not.
    for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"):
        assert await statuses(headers={header: "10.1.2.3"}) == [401, 401, 401, 401, 403, 200], header
    set_metrics(PUBLIC_COUNTS=True)
    assert await statuses() == [200, 200, 200, 200, 403, 200]
    # Counts are public then, and who runs the jobs is not.
    assert "mailer" not in await text(far)
    assert samples(await text(far))["bullmq_job_count", "chat", "waiting"] == 1
    assert "mailer" in await text(viewer)
    for method in ("post", "put", "delete"):
        answer = await getattr(viewer, method)("/metrics")
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    refused = await viewer.get("/metrics?connection=none")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")


async def test_a_hundred_scrapes_in_a_second_are_one_reading_of_redis(viewer, connection, client_of_redis, monkeypatch):
    await plant_waiting(connection, "chat")
    await plant_totals(connection)
    monkeypatch.setattr(endpoint, "EVERY_S", 3600)
    monkeypatch.setattr(exported, "EVERY_S", 3600)
    await text(viewer)
    before = client_of_redis.info("commandstats")
    await asyncio.gather(*[text(viewer) for _ in range(20)])
    after = client_of_redis.info("commandstats")
    moved = {name for name, told in after.items() if told["calls"] != before.get(name, {"calls": 0})["calls"]}
    assert moved <= {"cmdstat_info"}


async def test_only_the_queues_that_settings_name_are_shown(viewer, set_metrics, connection):
    for queue in ("mail-a", "mail-b", "chat"):
        await plant_waiting(connection, queue)
    set_metrics(QUEUES=["mail-*"])
    found = samples(await text(viewer))
    assert {key[1] for key in found if key[0] == "bullmq_job_count"} == {"mail-a", "mail-b"}


async def test_a_redis_that_is_away_is_told_and_no_count_of_yesterday(viewer, own_redis, prefix, settings, fresh):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    with redis.Redis(port=own_redis.port) as client:
        plant_failed(client, prefix, "chat", 3)
        assert samples(await text(viewer))["bullmq_job_count", "chat", "failed"] == 3
        own_redis.stop()
        found = samples(await text(viewer))
    reset_options()
    assert found["bullmq_redis_up",] == 0
    assert not [key for key in found if key[0].startswith(("bullmq_job", "bullmq_queue", "bullmq_worker"))]


async def test_odd_names_and_broken_queues_leave_a_text_that_prometheus_takes(
    viewer, connection, client_of_redis, prefix
):
    plant_evil(client_of_redis, prefix)
    for queue in ("with space", 'quo"te\\', "line\nbreak", "ünï", "*"):
        plant_failed(client_of_redis, prefix, queue)
    client_of_redis.hset(f"{prefix}:".encode() + b"\xff\xfe:meta", "version", "1")
    client_of_redis.hset(f"{prefix}:broken:meta", "version", "1")
    client_of_redis.set(f"{prefix}:broken:failed", "no set")
    await plant_totals(connection, EVIL)
    told = await text(viewer)
    found = samples(told)
    assert found["bullmq_job_count", "line\nbreak", "failed"] == found["bullmq_job_count", EVIL, "failed"] == 1
    assert found["bullmq_queue_broken", "broken"] == 1
    assert ("bullmq_job_count", "broken", "failed") not in found
    accepted = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    answer = await viewer.get("/metrics", headers=accepted)
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    packed = await viewer.get("/metrics", headers=accepted | {"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(answer.content) / 3
    assert {family.name for family in openmetrics(answer.content.decode())} >= {"bullmq_job_count", "bullmq_job_failed"}


async def test_promtool_minds_nothing_but_the_name_that_is_bullmqs(viewer, connection):
    await plant_waiting(connection, "chat")
    await plant_totals(connection)
    said = await asyncio.to_thread(promtool, "check", "metrics", told=await text(viewer))
    assert said.splitlines() == [
        'bullmq_job_count non-histogram and non-summary metrics should not have "_count" suffix'
    ]


@pytest.mark.usefixtures("in_process")
async def test_jobs_that_run_in_process_are_counted_too(viewer):
    from queues.producer import queue

    await queue("chat").add("later", {}, delay_ms=3_600_000)
    found = samples(await text(viewer))
    assert found["bullmq_job_count", "chat", "delayed"] == 1
    assert not [key for key in found if key[0] in ("bullmq_redis_up", "toril_mirror_up", "bullmq_worker_slots")]
