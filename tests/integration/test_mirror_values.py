"""Values that break SQL are kept exactly, shown, and never stop the mirror (THREATS.md A7.8)."""

from __future__ import annotations

import json

import pytest

from queues.mirror.policy import intake
from queues.models import Job, Queue
from queues.protocol.codec import raw
from tests.mirroring import add, differences, finish, redis, session, start, turn_until_quiet

LIMIT_BYTES = intake("chat").limit_bytes
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

POISON: dict[str, bytes] = {
    "nul": b"before\x00after",
    "escaped nul": rb'{"a":"\u0000"}',
    "lone surrogate": b'{"a":"\xed\xa0\x80"}',
    "escaped lone surrogate": rb'{"a":"\ud800"}',
    "not utf-8": b"\xff\xfe caf\xe9",
    "half a character": "naïve".encode()[:3],
    "nan": b'{"a":NaN,"b":Infinity}',
    "1e999": b'{"a":1e999}',
    "integer": b'{"a":%d}' % 2**63,
    "deep": b"[" * 100_000,
    "replacement characters": "\ufffd\ufffd00 \ufffdff".encode(),
    "markup": b"<script>alert(1)</script>",
    "percent": b"%s %(x)s %%",
    "empty": b"",
    "line separators": "\u2028\u2029\x1b[31m\r\n".encode(),
    "emoji": "🐂 עברית".encode(),
}
TEXTS = {"name": "name", "data": "data", "opts": "opts", "returnvalue": "return_value", "failedReason": "failed_reason",
         "progress": "progress", "stacktrace": "stacktrace", "parentKey": "parent_key", "rjk": "scheduler_id",
         "deid": "deduplication_id", "defa": "deferred_failure", "pb": "processed_by"}  # fmt: skip
NUMBERS = [
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"1.5",
    b"x",
    b"",
    b"%d" % 2**63,
    b"-%d" % 2**70,
    b"9" * 5_000,
    b"0x10",
]


async def test_every_text_in_every_field_comes_through_byte_for_byte(connection, prefix):
    async with session(connection) as mirror:
        ids = await add(connection, "chat", len(POISON))
        for job_id, value in zip(ids, POISON.values(), strict=True):
            for field in TEXTS:
                await redis(connection, "HSET", f"{prefix}:chat:{job_id}", field, value)
        await turn_until_quiet(mirror)
        assert await differences() == []
    for job_id, value in zip(ids, POISON.values(), strict=True):
        row = await Job.objects.aget(job_id=job_id)
        for field, column in TEXTS.items():
            kept = value if len(value) <= LIMIT_BYTES else value[:LIMIT_BYTES]
            assert raw(getattr(row, column)) == kept, (job_id, field)


async def test_numbers_that_are_none_become_problems(connection, prefix):
    async with session(connection) as mirror:
        ids = await add(connection, "chat", len(NUMBERS))
        for job_id, value in zip(ids, NUMBERS, strict=True):
            for field in ("delay", "priority", "processedOn", "finishedOn", "ats", "atm", "stc", "timestamp"):
                await redis(connection, "HSET", f"{prefix}:chat:{job_id}", field, value)
        await turn_until_quiet(mirror)
        assert await differences() == []
    row = await Job.objects.aget(job_id=ids[NUMBERS.index(b"%d" % 2**63)])
    assert "atm is out of range: 9223372036854775808" in row.problem_list
    assert (row.attempts_made, row.timestamp_ms) == (0, 0)


async def test_odd_ids_and_names_come_through(connection):
    names = ["a/b", "q%2F", "[q]*", "naïve 🐂", "x" * 500]
    ids = [
        "id/1",
        "%2F",
        "🐂",
        "'\"; DROP TABLE toril_job; --",
        "[a]*?",
        "\\",
        "null",
        "__proto__",
        "x" * 900,
        " ",
        "\x00\x01",
    ]
    async with session(connection) as mirror:
        for name in names:
            for job_id in ids:
                await add(connection, name, job_id=job_id)
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.acount() == len(names) * len(ids)


async def test_an_id_too_long_for_the_index_is_left_out_and_stops_nothing(connection):
    async with session(connection) as mirror:
        await add(connection, "chat", job_id="x" * 3_000)
        await add(connection, "chat", 2)
        await turn_until_quiet(mirror)
        assert await differences() == []
        assert not mirror.is_mending
    assert await Job.objects.acount() == 2


async def test_a_large_field_is_cut_and_says_so(connection):
    data = json.dumps({"text": "é" * 2_500_000}, ensure_ascii=False)
    async with session(connection) as mirror:
        (job_id,) = await add(connection, "chat", data=data)
        await turn_until_quiet(mirror)
        assert await differences() == []
        row = await Job.objects.aget(job_id=job_id)
        assert len(row.data.encode()) <= LIMIT_BYTES
        assert data.startswith(row.data)
        assert row.problem_list == [f"data is cut: {len(row.data.encode())} of {len(data.encode())} bytes are kept"]
        await finish(
            connection, "chat", await start(connection, "chat"), '"' + "r" * 1_000_000 + '"', keep={"count": 0}
        )
        await turn_until_quiet(mirror)
    row = await Job.objects.aget(job_id=job_id)
    assert len(row.return_value) == LIMIT_BYTES
    assert len(row.problem_list) == 2


async def test_keys_of_the_wrong_type_stop_nothing(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 3)
        await add(connection, "broken", 2)
        await redis(connection, "DEL", f"{prefix}:broken:wait")
        await redis(connection, "HSET", f"{prefix}:broken:wait", "name", "a job whose id is wait")
        await redis(connection, "SET", f"{prefix}:broken:completed", "x")
        await redis(connection, "ZADD", f"{prefix}:chat:failed", 1, "listed")
        await redis(connection, "SET", f"{prefix}:chat:listed", "no hash")
        await redis(
            connection, "HSET", f"{prefix}:chat:meta", "concurrency", "many", "max", 2**70, "version", "v" * 300
        )
        await turn_until_quiet(mirror)
        assert await differences() == []
    queue = await Queue.objects.aget(name="chat")
    assert (queue.waiting, queue.failed, queue.version) == (3, 1, "v" * 64)


async def test_an_event_written_by_hand_stops_nothing(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 1)
        await turn_until_quiet(mirror)
        stream = f"{prefix}:chat:events"
        await redis(connection, "XADD", stream, "*", "event", "completed")
        await redis(connection, "XADD", stream, "*", b"\xff", b"\x00")
        await redis(
            connection, "XADD", stream, "*", "event", "completed", "jobId", b"\xff\x00", "returnvalue", b"\xed\xa0\x80"
        )
        await redis(
            connection, "XADD", stream, "*", "event", "retries-exhausted", "jobId", "never", "attemptsMade", "NaN"
        )
        await redis(connection, "XADD", stream, f"{2**63}-0", "event", "failed", "jobId", "future", "failedReason", "x")
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(removed_at__isnull=False).acount() == 2
