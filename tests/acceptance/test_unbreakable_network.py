"""The network between workers and Redis delays, resets, and goes silent; and the probe says so while it is wedged."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet
from tests.conftest import RedisServer, free_port
from tests.eventually import Stopwatch, eventually_sync
from tests.faults import Proxy, frozen, proxied

pytestmark = pytest.mark.acceptance

SEED = 11


@pytest.fixture
def proxy(own_redis: RedisServer) -> Iterator[Proxy]:
    with proxied(own_redis.port, seed=SEED) as proxy:
        yield proxy


@pytest.fixture
def fleet(own_redis: RedisServer, proxy: Proxy, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(own_redis, "network", tmp_path, REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0")
    yield fleet
    fleet.end()


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_sockets_that_nobody_answers_are_given_up(fleet, proxy, state, record_property):
    """Half-open: nothing arrives, nobody is told (a firewall that forgot the connection)."""
    fleet.start(2)
    eventually_sync(lambda: fleet.listening() == 2, 30, "both listen")
    if state == "busy":
        fleet.plant(2_000, "nap", lambda number: {"s": 0.3})
        eventually_sync(lambda: fleet.completed() > 100, 30, "work is under way")
    proxy.cut()
    resumed_s = fleet.resumed_s()
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"resumed after {resumed_s:.2f} s; {found}")
    assert resumed_s < 5
    assert found.repeats == []


def test_latency_loses_and_repeats_nothing(fleet, proxy, record_property):
    proxy.delay_s = 0.05
    fleet.start(2)
    began = time.monotonic()
    fleet.plant(2_000, "nap", lambda _: {"s": 0.01})
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"{2_000 / (time.monotonic() - began):.0f} jobs/s at 100 ms a round trip: {found}")
    assert (found.repeats, found.states) == ([], {"completed": 2_000})


def test_connections_reset_in_the_middle_of_a_reply_lose_nothing(fleet, proxy, record_property):
    jobs = 20_000
    fleet.start(2)
    proxy.reset_share = 0.02
    fleet.plant(jobs, "nap", lambda _: {"s": 0.02})
    fleet.until_over(120)
    found = fleet.audit().assert_clean()
    record_property("figures", f"seed {SEED}, {proxy.resets} resets: {found}")
    assert proxy.resets > 20
    assert (found.repeats, found.states) == ([], {"completed": jobs})


def test_the_probe_turns_red_while_redis_is_wedged_and_green_again(fleet, own_redis, record_property):
    port = free_port()
    fleet.start(1, "--health-port", str(port))
    eventually_sync(lambda: _is_ready(port), 10, "the probe is green")
    with frozen(own_redis):
        watch = Stopwatch()
        eventually_sync(lambda: not _is_ready(port), 30, "the probe is red")
        red_s = watch.calm_s
    eventually_sync(lambda: _is_ready(port), what="the probe is green again")
    record_property("figures", f"red after {red_s:.1f} s")
    assert red_s < 15


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            json.loads(answer.read() or b"{}")
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False
