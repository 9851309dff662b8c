"""What producers are refused, option by option: an error of ours that names it, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queues import queue
from queues.errors import InvalidInput
from queues.producer import Deduplication
from queues.protocol.keys import RESERVED_IDS

NOT_WHOLE = [-1, 1.5, "3", True, 2**53]
NOT_FLAGS = [1, "yes", 0.0]
#: option → values it must refuse.
REFUSED: dict[str, list[Any]] = {
    "job_id": [
        *sorted(RESERVED_IDS),
        *("delay", "priority", "0", "12", "-3", "007", "a:b", "a:b:c", "0:x", "", 5, "\ud800", "nul\0", "\ufffd41"),
        *("x" * 1_025, b"bytes", ["a"]),
    ],
    "delay_ms": [*NOT_WHOLE, timedelta(seconds=1)],
    "priority": [*NOT_WHOLE, 2_097_152],
    "attempts": NOT_WHOLE,
    "backoff": [
        *(-1, 1.5, "fixed", {"delay": 5}, {"type": "fixed", "delay": "x"}, {"type": "fixed", "delay": 5, "more": 1}),
        *({"type": "fixed", "jitter": 2}, {"type": "fixed", "jitter": -0.1}, {"type": "fixed", "jitter": True}),
    ],
    "remove_on_complete": [{"days": 1}, "yes", -2, {}, {"age": -1}, {"count": 1.5}],
    "remove_on_fail": [{"days": 1}, "yes", -2, {}],
    "lifo": NOT_FLAGS,
    "keep_logs": NOT_WHOLE,
    "stack_trace_limit": NOT_WHOLE,
    "size_limit": [*NOT_WHOLE, 0],
    "timestamp_ms": [*NOT_WHOLE, 0, datetime.now(UTC)],
    "deduplication": [
        *({}, {"ttl_ms": 5}, {"id": ""}, {"id": "a", "ttl": 5}, {"id": "a", "ttl_ms": 0}, {"id": "a", "extend": 1}, 5),
        *(Deduplication("a", ttl_ms=-1), {"id": "a\0"}, {"id": "x" * 1_025}),
    ],
    "parent": ["1", 5, {"id": "1", "queue": "chat"}],
    "on_failure": ["explode", True, 1],
    "omit_trace": NOT_FLAGS,
    "nonsense": [1],
}


@pytest.fixture
def nothing_written(connection, client_of_redis, prefix):
    yield
    assert client_of_redis.keys(f"{prefix}*") == []


@pytest.mark.parametrize("option", REFUSED)
async def test_a_bad_option_is_named_and_nothing_is_written(nothing_written, option: str):
    for value in REFUSED[option]:
        with pytest.raises(InvalidInput, match=option):
            await queue("chat").add("greet", **{option: value})  # type: ignore[misc]


def test_every_option_has_its_cases():
    from queues.producer.checks import CHECKS

    assert set(REFUSED) == {*CHECKS, "nonsense"}


async def test_options_that_exclude_each_other_are_refused(nothing_written):
    chat = queue("chat")
    with pytest.raises(InvalidInput, match="deduplication and parent"):
        await chat.add("greet", deduplication="a", parent=chat.job("p"))
    with pytest.raises(InvalidInput, match="on_failure"):
        await chat.add("greet", on_failure="fail_parent")


async def test_a_parent_of_another_connection_is_refused(nothing_written):
    chat, parent = queue("chat"), queue("chat", connection="other").job("p")
    with pytest.raises(InvalidInput, match=r"parent: .* is of another connection"):
        await chat.add("greet", parent=parent)
    with pytest.raises(InvalidInput, match=r"jobs\[1\]: parent: .* is of another connection"):
        await chat.add_bulk([{"name": "a"}, {"name": "b", "parent": parent}])
    with pytest.raises(InvalidInput, match=r"parent: .* is of another connection"):
        await chat.add_flow("greet", parent=parent, children=[{"name": "c"}])


@pytest.mark.parametrize("job_id", [*sorted(RESERVED_IDS), "", 5, None])
async def test_what_is_no_jobs_id_leads_to_no_job_so_the_queues_own_keys_stay(
    connection, client_of_redis, prefix, job_id: Any
):
    chat = queue("chat")
    await chat.add("greet")
    await chat.pause()
    before = {key: client_of_redis.dump(key) for key in client_of_redis.keys(f"{prefix}*")}
    with pytest.raises(InvalidInput, match="id"):
        chat.job(job_id)
    with pytest.raises(InvalidInput, match="id"):
        await chat.get_job(job_id)
    with pytest.raises(InvalidInput, match="id"):
        await chat.remove(job_id)
    parent = chat.job("p")
    parent.id = job_id
    with pytest.raises(InvalidInput, match="id"):
        await chat.add("greet", parent=parent)
    assert {key: client_of_redis.dump(key) for key in client_of_redis.keys(f"{prefix}*")} == before


@pytest.mark.parametrize("timeout_s", ["5", True, timedelta(seconds=5)])
async def test_a_time_that_is_no_number_of_seconds_is_refused(connection, timeout_s: Any):
    with pytest.raises(InvalidInput, match="timeout_s must be a number of seconds"):
        await queue("chat").job("a").result(timeout_s)


async def test_a_flow_says_which_child_names_a_queue_that_cannot_be(nothing_written):
    grandchildren = [{"name": "g"}, {"name": "g", "queue": "a:b"}]
    with pytest.raises(InvalidInput, match=r"children\[0\]\.children\[1\]: A queue's name"):
        await queue("chat").add_flow("p", children=[{"name": "c", "children": grandchildren}])


async def test_a_backoff_that_is_no_number_is_told_both_ways_to_say_it(nothing_written):
    with pytest.raises(InvalidInput, match=r"milliseconds or \{'type', 'delay', 'jitter'\}, not 'exponential'"):
        await queue("chat").add("greet", backoff="exponential")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a:b", 5, None, "half \udc80", "nul\0", "U+FFFD \ufffd", "x" * 513])
def test_a_name_no_queue_can_have_is_refused(name: Any):
    with pytest.raises(InvalidInput, match="queue's name"):
        queue(name)


@pytest.mark.parametrize("name", ["", 5, None, "\udc80", "nul\0", "x" * 1_025])
async def test_a_name_no_job_can_have_is_refused(nothing_written, name: Any):
    with pytest.raises(InvalidInput, match="job's name"):
        await queue("chat").add(name)


@pytest.mark.parametrize(
    "data", [float("nan"), float("inf"), {1, 2}, b"x", object(), {(1, 2): 3}, {"deep": {"er": float("-inf")}}]
)
async def test_data_that_json_cannot_say_is_refused(nothing_written, data: Any):
    with pytest.raises(InvalidInput, match="JSON"):
        await queue("chat").add("greet", data)


async def test_data_that_contains_itself_is_refused(nothing_written):
    data: list[Any] = []
    data.append(data)
    with pytest.raises(InvalidInput, match="JSON"):
        await queue("chat").add("greet", data)


async def test_data_beyond_its_size_limit_is_refused_by_its_bytes(nothing_written):
    with pytest.raises(InvalidInput, match=r"has 14 bytes; size_limit allows 11"):
        await queue("chat").add("greet", "éééé🐂"[:5], size_limit=11)


async def test_data_as_large_as_its_size_limit_is_added(connection):
    assert (await queue("chat").add("greet", "éééé", size_limit=10)).id


@dataclass
class Welcome:
    to: str
    copies: list[str]


class Modelled:
    def model_dump(self, mode: str) -> dict[str, str]:
        return {"mode": mode}


async def test_dataclasses_and_models_are_written_as_what_they_describe(connection):
    job = await (await queue("chat").add("welcome", Welcome("ana", ["ben"]))).refresh()
    assert job.data == {"to": "ana", "copies": ["ben"]}
    assert (await (await queue("chat").add("welcome", Modelled())).refresh()).data == {"mode": "json"}


LATER, PAST = datetime(2040, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "either every_ms or pattern"),
        ({"every_ms": 5, "pattern": "* * * * *"}, "either every_ms or pattern"),
        ({"every_ms": 0}, "every_ms"),
        ({"every_ms": 1.5}, "every_ms"),
        ({"every_ms": 5, "tz": "UTC"}, "tz"),
        ({"every_ms": 5, "offset_ms": 5}, "offset_ms"),
        ({"pattern": "* * * * *", "offset_ms": 5}, "offset_ms"),
        ({"pattern": "every day"}, "every day"),
        ({"pattern": 5}, "pattern must be text"),
        ({"pattern": ["* * * * *"]}, "pattern must be text"),
        ({"pattern": "61 * * * *"}, "61"),
        ({"pattern": "0 0 30 2 *"}, "0 0 30 2"),
        ({"pattern": "* * * * *", "tz": "Mars/Olympus"}, "tz 'Mars/Olympus'"),
        ({"pattern": "* * * * *", "tz": "../etc/passwd"}, "tz"),
        ({"every_ms": 5, "limit": 0}, "limit"),
        ({"every_ms": 5, "end": PAST}, "end"),
        ({"every_ms": 5, "start": LATER, "end": LATER}, "end"),
        ({"every_ms": 5, "end": datetime(2040, 1, 1)}, "end must be a datetime with a time zone"),  # noqa: DTZ001
        ({"every_ms": 5, "start": 2_000_000_000_000}, "start"),
        ({"every_ms": 5, "start": LATER, "immediately": True}, "immediately"),
        ({"every_ms": 5, "immediately": 1}, "immediately"),
        ({"every_ms": 5, "job_id": "a"}, "job_id"),
        ({"every_ms": 5, "delay_ms": 5}, "delay_ms"),
        ({"every_ms": 5, "priority": -1}, "priority"),
        ({"every_ms": 5, "data": {1, 2}}, "JSON"),
        ({"every_ms": 5, "name": 5}, "name"),
    ],
)
async def test_a_rule_that_cannot_be_kept_is_refused(nothing_written, given: dict[str, Any], said: str):
    with pytest.raises(InvalidInput, match=said):
        await queue("chat").upsert_scheduler("beat", **given)


@pytest.mark.parametrize("identity", ["", "beat:1700000000000", ":5", "a:b:c:d:e", 5, "\0", "\ufffd", "x" * 1_001])
async def test_a_schedulers_id_that_would_collide_is_refused(nothing_written, identity: Any):
    with pytest.raises(InvalidInput, match="scheduler's id"):
        await queue("chat").upsert_scheduler(identity, every_ms=1_000)


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("clean", {"state": "nowhere"}),
        ("clean", {"state": "waiting-children"}),
        ("clean", {"older_than_ms": -1}),
        ("clean", {"limit": 1.5}),
        ("jobs", {"state": "unknown"}),
        ("jobs", {"state": "wait", "count": 0}),
        ("jobs", {"state": "wait", "start": -1}),
        ("set_concurrency", {"most": 0}),
        ("set_rate_limit", {"most": 0, "duration_ms": 5}),
        ("set_rate_limit", {"most": 5, "duration_ms": 0}),
        ("hold", {"duration_ms": -1}),
    ],
)
async def test_what_cannot_be_done_to_a_queue_is_refused(nothing_written, call: str, given: dict[str, Any]):
    with pytest.raises(InvalidInput):
        await getattr(queue("chat"), call)(**given)


@pytest.mark.parametrize("after", ["yesterday", "5-", "-5", "1-2-3", "$", 5])
async def test_events_after_what_is_no_event_are_refused(nothing_written, after: Any):
    with pytest.raises(InvalidInput, match="after"):
        await anext(queue("chat").events(after))
