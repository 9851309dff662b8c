"""What probes are told of a real worker: its loop, its fetching, its Redis. The bounds are shortened, nothing else."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from queues import queue
from queues.errors import ConfigurationError
from queues.options import reset_options
from queues.processors import Registry
from queues.worker import health as bounds
from queues.worker import probes, process
from queues.worker.health import Health
from queues.worker.plans import QueuePlan
from queues.worker.probes import HealthFile, Report, Verdict
from tests.eventually import eventually
from tests.working import working


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(bounds, "TICK_S", 0.02)
    monkeypatch.setattr(bounds, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(bounds, "WARN_S", 0.3)
    monkeypatch.setattr(bounds, "LATE_S", 0.6)


async def slow(job):
    await asyncio.sleep(job.data)


async def block(job):
    time.sleep(job.data)  # noqa: ASYNC251 - wrong, and met in the field


@asynccontextmanager
async def watched(function, **options):
    """A worker and the health of it."""
    made: list[Health] = []
    async with working(function, before_start=lambda worker: made.append(Health(worker)), **options) as worker:
        yield worker, made[0]


def reports_beside(health: Health, seconds: float) -> list[Report]:
    """What a probe would be told while this loop stands still: filled from a thread."""
    seen: list[Report] = []

    def look() -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seen.append(health.report())
            time.sleep(0.05)

    threading.Thread(target=look).start()
    return seen


async def test_an_idle_worker_and_a_full_one_are_ready(connection, monkeypatch):
    monkeypatch.setattr(bounds, "LATE_S", 2.5)
    async with watched(slow) as (worker, health):
        await eventually(lambda: health.report().ready.ok)
        await queue("chat").add("x", 3.2)
        await eventually(lambda: worker.running == 1)
        began = time.monotonic()
        while time.monotonic() - began < 3:
            report = health.report()
            assert report.ready == report.live == Verdict(True)
            await asyncio.sleep(0.05)
        assert report.facts["running"] == 1


async def test_it_is_not_ready_before_redis_answers_nor_while_it_is_away_and_live_all_the_time(
    short, own_redis, settings, monkeypatch
):
    monkeypatch.setattr(bounds, "LATE_S", 2.2)
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "health"}}}
    reset_options()
    own_redis.stop()
    async with watched(slow) as (_, health):
        await eventually(lambda: not health.report().ready.ok)
        assert "Redis has not answered" in health.report().ready.reasons[0]
        own_redis.start()
        await eventually(lambda: health.report().ready.ok)
        own_redis.stop()
        await eventually(lambda: not health.report().ready.ok)
        reasons = "; ".join(health.report().ready.reasons)
        assert "Redis has not answered for 2 s" in reasons or "no answer to its asking" in reasons
        assert health.report().live == Verdict(True)
        own_redis.start()
        await eventually(lambda: health.report().ready.ok)
    reset_options()


async def test_a_worker_that_does_not_fetch_is_not_ready_though_redis_answers(short, connection):
    """The bound is shorter here than the time between two fetches of an idle queue."""
    async with watched(slow) as (worker, health):
        await eventually(lambda: health.report().ready.ok)
        await eventually(lambda: not health.report().ready.ok)
        (reason,) = health.report().ready.reasons
        assert reason.startswith("chat has had no answer to its asking for jobs for")
        worker.engines[0].look()
        await eventually(lambda: health.report().ready.ok)


async def test_a_quiet_worker_says_that_it_takes_nothing(short, connection):
    async with watched(slow) as (worker, health):
        await eventually(lambda: health.report().ready.ok)
        worker.quiet()
        assert health.report().ready == Verdict(False, ("chat is quiet: it takes no new jobs",))
        worker.resume()
        await eventually(lambda: health.report().ready.ok)


async def test_a_job_that_blocks_the_loop_is_named_and_the_worker_lives(short, connection, caplog):
    async with watched(block, concurrency=2) as (worker, health):
        added = await queue("chat").add("digest", 1.5)
        seen = reports_beside(health, 1.6)
        await eventually(lambda: worker.finished == 1)
        red = [report for report in seen if not report.ready.ok]
        blamed = f"chat {added.id} “digest” blocks it at test_worker_health.py:"
        assert red
        assert blamed in red[-1].ready.reasons[0]
        assert blamed in red[-1].live.reasons[0]
        assert all(report.live.ok for report in seen)
        await eventually(lambda: health.report().ready.ok)
    assert "the loop has stood still since" in caplog.text
    assert "time.sleep(job.data)" in caplog.text
    assert "the loop turns again" in caplog.text


async def test_a_job_that_blocks_for_ever_or_a_loop_that_stands_without_one_is_not_live(short, connection, monkeypatch):
    monkeypatch.setattr(bounds, "BLOCKED_S", 0.9)
    async with watched(block) as (worker, health):
        await queue("chat").add("x", 1.4)
        seen = reports_beside(health, 1.5)
        await eventually(lambda: worker.finished == 1)
        assert any(report.live.ok and report.live.reasons for report in seen)
        assert not all(report.live.ok for report in seen)
        await eventually(lambda: health.report().live.ok)
        seen = reports_beside(health, 1.0)
        time.sleep(0.9)  # noqa: ASYNC251 - nobody's job
        assert any(not report.live.ok and "no job blocks it" in report.live.reasons[0] for report in seen)


# --- how it is told


def report(is_live: bool = True, is_ready: bool = True) -> Report:
    asked = ("live", is_live), ("ready", is_ready)
    live, ready = (Verdict(ok, () if ok else (f"{name} no more",)) for name, ok in asked)
    return Report(live, ready, {"pid": 1})


@pytest.fixture
async def port():
    """Of a server that answers `live, not ready`."""
    listening = probes.listen(("127.0.0.1", 0))
    serving = asyncio.create_task(probes.answer(listening, lambda: report(True, False)))
    yield listening.getsockname()[1]
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


ASKED = [("/livez", 200), ("/readyz", 503), ("/healthz", 503), ("/livez?a=b", 200)]


@pytest.mark.parametrize(("path", "status"), ASKED)
async def test_probes_are_answered_with_a_status_and_reasons(port, path, status):
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
        head = await client.head(f"http://127.0.0.1:{port}{path}")
    assert answer.status_code == head.status_code == status
    assert answer.json()["ok"] is (status == 200)
    assert answer.json()["reasons"] == ([] if status == 200 else ["ready no more"])
    assert answer.json()["pid"] == 1
    assert head.content == b""


async def test_what_is_no_probe_is_refused(port):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/")).status_code == 404
        assert (await client.post("/livez")).status_code == 405


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\xfe /livez\r\n\r\n", b"x" * 200_000])
async def test_odd_clients_do_no_harm(port, said):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    writer.write_eof()
    answer = b""
    # Where it has not read all, the system tells us so with a reset.
    with suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            answer = await reader.read()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 40")
    writer.close()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200


async def test_a_place_that_is_taken_is_one_sentence(port):
    with pytest.raises(ConfigurationError, match=rf"--health-port: nothing can listen on 127.0.0.1:{port}"):
        probes.listen(("127.0.0.1", port))


def test_a_file_stands_while_the_worker_lives(tmp_path):
    path = tmp_path / "health"
    file = HealthFile(path, pytest.fail)
    file.write(report(True, False))
    told = json.loads(path.read_text())
    assert (told["live"], told["ready"], told["reasons"]) == (True, False, ["ready no more"])
    file.write(report(False, False))
    assert not path.exists()
    file.write(report())
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_said_once():
    said = []
    file = HealthFile(Path("/proc/no/such"), said.append)
    file.write(report())
    file.write(report())
    assert said == ["--health-file /proc/no/such cannot be written: No such file or directory"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("8081", ("127.0.0.1", 8081)),
        ("0.0.0.0:8081", ("0.0.0.0", 8081)),  # noqa: S104
        ("[::1]:80", ("::1", 80)),
        (":80", ("127.0.0.1", 80)),
    ],
)
def test_places(text, where):
    assert probes.place(text) == where


@pytest.mark.parametrize("text", ["", "x", "host:", "70000", "-1"])
def test_no_places(text):
    with pytest.raises(ValueError):
        probes.place(text)


def test_a_process_that_fails_itself_says_so_and_is_no_success(connection, monkeypatch, caplog):
    async def fails(most_mib):
        raise OSError("no such place")

    registry = Registry()
    registry.processor("chat")(lambda job: None)
    monkeypatch.setattr(process, "until_grown", fails)
    code, _ = process.serve([QueuePlan("chat", registry.of("chat"))], process.Manner(max_rss_mib=1))
    assert code is process.Exit.DIED
    assert "it failed itself" in caplog.text
    assert "no such place" in caplog.text
