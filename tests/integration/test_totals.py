"""What a queue's workers counted since they first did: in Redis, for Prometheus."""

from __future__ import annotations

from queues import histogram
from queues.protocol import connections
from queues.protocol.keys import Keys, SampleKeys
from queues.protocol.samples import COMPLETED, FAILED, RETRIED, WAIT, Figures, record_command
from queues.protocol.totals import BOUNDS_MS, TOTALS_KEPT_S, totals

MINUTE = 28_000_000


def on() -> SampleKeys:
    return SampleKeys(connections.prefix("default"))


async def record(number: int, told: dict[str, Figures], minute: int = MINUTE) -> int:
    return await connections.wire("default").call(record_command(on(), "p1", number, "chat", minute, told))


async def test_a_delivery_is_in_the_totals_once_over_names_and_minutes_and_is_kept(connection, client_of_redis):
    quick, slow = histogram.bucket(0.003), histogram.bucket(5000.0)
    waited = WAIT + histogram.bucket(0.1)
    told = {"a": {COMPLETED: 2, FAILED: 1, quick: 2, slow: 1, waited: 3}, "b": {RETRIED: 4, quick: 4}}
    assert [await record(1, told), await record(1, told), await record(2, told, MINUTE + 1)] == [1, 0, 1]
    found = (await totals("default", ["chat"]))["chat"]
    assert (found.completed, found.failed, found.retried) == (4, 2, 8)
    assert found.run.within == (12,) * len(BOUNDS_MS)
    assert found.run.count == 14
    assert abs(found.run.sum_ms - 2 * 5_000_000) < 2 * 5_000_000 * histogram.ERROR
    assert found.wait.within[BOUNDS_MS.index(64)] == 0
    assert found.wait.within[BOUNDS_MS.index(128)] == found.wait.count == 6
    assert client_of_redis.ttl(on().totals("chat")) > TOTALS_KEPT_S - 60


async def test_each_bound_ends_a_bucket_so_nothing_is_counted_below_a_bound_that_it_was_over():
    for bound in BOUNDS_MS:
        below, at = histogram.bucket((bound - 0.03) / 1000), histogram.bucket(bound / 1000)
        assert histogram.middle_s(below) * 1000 < bound < histogram.middle_s(at) * 1000, bound


async def test_bullmqs_own_counters_stand_for_queues_of_other_workers_and_are_not_added_to_ours(
    connection, client_of_redis
):
    await record(1, {"a": {COMPLETED: 2, FAILED: 1, 5: 3}})
    for queue, done in (("chat", 7), ("node", 9)):
        client_of_redis.hset(Keys(on().prefix, queue)("metrics:completed"), "count", done)
    found = await totals("default", ["chat", "node", "nobody"])
    assert [(one.completed, one.failed) for one in found.values()] == [(7, 1), (9, 0), (None, None)]
    assert found["node"].retried is None
    assert found["node"].run.count == 0


async def test_what_others_wrote_in_their_place_is_read_as_nothing(connection, client_of_redis):
    client_of_redis.set(on().totals("text"), "x")
    client_of_redis.hset(on().totals("odd"), mapping={"c": "-5", "f": "9" * 500, "d4": "many", "d5": "1", "r": "3"})
    client_of_redis.hset(Keys(on().prefix, "odd")("metrics:failed"), "count", "NaN")
    client_of_redis.lpush(Keys(on().prefix, "odd")("metrics:completed"), "NaN")
    found = await totals("default", ["text", "odd"])
    assert found["text"].completed is None
    assert (found["odd"].completed, found["odd"].failed, found["odd"].retried, found["odd"].run.count) == (0, 0, 3, 0)


async def test_totals_that_cannot_be_written_hold_up_no_minute(connection, client_of_redis):
    client_of_redis.set(on().totals("chat"), "no hash")
    assert await record(1, {"a": {COMPLETED: 2, 5: 2}}) == 1
    assert client_of_redis.hget(on().minute(MINUTE), "cchat") == b"2"
