"""Jobs that hold what nobody should send: each ends with its reason, and the worker goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.fleet import Fleet
from tests.conftest import RedisServer
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

#: What the data is; whether it can be run.
DATA = {
    "a hundred thousand nested arrays": (b"[" * 100_000 + b"]" * 100_000, False),
    "a million keys": (b"{" + b",".join(b'"k%d":1' % number for number in range(1_000_000)) + b"}", True),
    "integers beyond 2^53": (b'{"a":9007199254740993,"b":-18446744073709551616}', True),
    "an integer of 5,000 digits": (b"1" * 5_000, False),
    "numbers that JSON has not": (b'{"a":NaN,"b":1e999}', True),
    "the same key twice": (b'{"a":1,"a":2}', True),
    "bytes that are no text": (b'{"a":"\xff\xfe"}', False),
    "nothing": (b"", True),
    "half of a character": (b'{"a":"\\ud800"}', True),
}
#: Not `atm` and `parent`, which BullMQ's scripts stumble over halfway; nothing but a hand writes those.
FIELDS = ["name", "opts", "stacktrace", "attemptsMade", "priority", "timestamp", "stc", "rjk", "deid"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    fleet = Fleet(server, "content", tmp_path_factory.mktemp("fleet"))
    fleet.start(1)
    yield fleet
    fleet.end()
    server.stop()


@pytest.fixture(autouse=True)
def _lives(fleet: Fleet) -> Iterator[None]:
    """After each, the same process runs the next job."""
    (member,) = fleet.members
    yield
    (after,) = fleet.plant(1, "nap", lambda _: {"s": 0})
    eventually_sync(lambda: fleet.ledger.count("done")[after], 20, "the next job is run")
    assert fleet.members == [member]
    assert member.is_alive
    assert "Traceback" not in member.said()


@pytest.mark.parametrize("what", DATA)
def test_odd_data_is_run_or_fails_with_the_reason(fleet, what):
    data, can_run = DATA[what]
    (job_id,) = fleet.plant(1, "measure", lambda _: data)
    state = "completed" if can_run else "failed"
    with fleet.client() as client:
        eventually_sync(lambda: client.zscore(fleet.keys(state), job_id) is not None, 30, f"it is {state}")
        assert can_run or b"not JSON" in client.hget(fleet.keys.job(job_id), "failedReason")
        assert client.llen(fleet.keys("active")) == 0
        assert client.hget(fleet.keys.job(job_id), "data") == data


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_not_text_stops_nobody(fleet, field):
    """It may not be stored, but it is not run for ever, and nobody else waits for it."""
    with fleet.client() as client:
        (job_id,) = fleet.plant(1, "measure", lambda _: {}, state="aside")
        client.delete(fleet.keys("aside"))
        client.hset(fleet.keys.job(job_id), field, b"\xff\xfe{")
        client.lpush(fleet.keys("wait"), job_id)
        client.zadd(fleet.keys("marker"), {"0": 0})
        states = [fleet.keys(state) for state in ("completed", "failed")]
        eventually_sync(lambda: any(client.zscore(key, job_id) is not None for key in states), 60, "it is over")
