"""Hundreds of jobs copied whole, taken out of Redis, and brought back or into another queue.

A copy is everything at the job's keys, byte for byte; whoever takes a job out keeps its copy somewhere safe first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from queues.protocol import codec
from queues.protocol.codec import pairs, raw
from queues.protocol.commands import Command, call_script, command, pack
from queues.protocol.connections import keys
from queues.protocol.copying import Copy, restoring
from queues.protocol.keys import STATE_KEYS, Keys
from queues.protocol.operating import Answers, answers
from queues.protocol.reads.held import ask
from queues.protocol.selection import REASONS
from queues.states import State

#: A larger job, or one with a longer log, is not copied, and so not taken.
MOST_BYTES, MOST_LINES = 16 * 1024 * 1024, 50_000
#: So much is copied in one round trip.
ROUND_BYTES = 8 * 1024 * 1024
#: So long a job that was brought is remembered, so that it is not brought twice.
ONCE_MS = 2 * 86_400_000
TOO_LARGE = "it is too large to be kept for an undo"
THERE_AGAIN, BROUGHT_BEFORE = -5, -9
#: What a run leaves at a job, and what belongs to its own queue: not carried into another one.
_RUN = frozenset(
    b"processedOn finishedOn ats atm attemptsMade stc stalledCounter returnvalue failedReason stacktrace progress pb"
    b" defa toril:runs deid rjk nrjid".split()
)
_EVIDENCE = ("timestamp", "ats", "processedOn", "finishedOn")
_LINKS = (b":dependencies", b":processed", b":failed", b":unsuccessful")


async def copies(connection: str, queue: str, state: State, job_ids: Sequence[str]) -> dict[str, Copy | None]:
    """By id; None for a job too large. Those without a hash are left out."""
    k = keys(connection, queue)
    asked = [command("MEMORY", "USAGE", k.job(job_id), "SAMPLES", 0) for job_id in job_ids]
    # What hangs at a job's key is asked for where there is any.
    asked += [command("EXISTS", *(k.job(job_id) + hung for hung in (b":logs", *_LINKS))) for job_id in job_ids]
    replies = await ask(connection, asked)
    sizes = {job_id: size or 0 for job_id, size in zip(job_ids, replies, strict=False)}
    hung = {job_id for job_id, count in zip(job_ids, replies[len(job_ids) :], strict=True) if count}
    sizes |= await _with_logs(connection, k, {job_id: sizes[job_id] for job_id in hung})
    found: dict[str, Copy | None] = {job_id: None for job_id, size in sizes.items() if size > MOST_BYTES}
    for some in _rounds({job_id: size for job_id, size in sizes.items() if 0 < size <= MOST_BYTES}):
        found |= await _copied(connection, k, state, some, hung)
    return found


async def _with_logs(connection: str, k: Keys, sizes: Mapping[str, int]) -> dict[str, int]:
    """Bytes with those of the log; more than any may have for one of too many lines."""
    asked = [command("LLEN", k.logs(job_id)) for job_id in sizes]
    asked += [command("MEMORY", "USAGE", k.logs(job_id)) for job_id in sizes]
    replies = await ask(connection, asked) if asked else []
    told = zip(sizes.items(), replies, replies[len(sizes) :], strict=False)
    return {
        job_id: MOST_BYTES + 1 if (lines or 0) > MOST_LINES else size and size + (of_log or 0)
        for (job_id, size), lines, of_log in told
    }


def _rounds(sizes: Mapping[str, int]) -> list[list[str]]:
    rounds: list[list[str]] = [[]]
    held = 0
    for job_id, size in sizes.items():
        if rounds[-1] and held + size > ROUND_BYTES:
            rounds.append([])
            held = 0
        rounds[-1].append(job_id)
        held += size
    return [some for some in rounds if some]


async def _copied(
    connection: str, k: Keys, state: State, job_ids: Sequence[str], hung: Collection[str]
) -> dict[str, Copy | None]:
    suffix, is_list = STATE_KEYS[state]
    members = [raw(job_id) for job_id in job_ids]
    asked = [command("HGETALL", k.base + member) for member in members]
    asked += [] if is_list else [command("ZMSCORE", k(suffix), *members)]
    replies = await ask(connection, asked)
    scores = [None] * len(members) if is_list else replies.pop() or [None] * len(members)
    found: dict[str, Copy | None] = {}
    for job_id, member, flat, score in zip(job_ids, members, replies, scores, strict=True):
        if fields := pairs(flat):
            one = {"queue": k.queue, "id": member, "place": suffix, "score": score or b"0", "hash": fields}
            links = await _links(connection, k.base + member) if job_id in hung else _NO_LINKS
            found[job_id] = {**one, "before": b"", **links}
    await _tie(connection, k, [one for one in found.values() if one])
    return found


_NO_LINKS: Mapping[str, Any] = {"logs": [], "dependencies": [], "processed": {}, "failed": {}, "unsuccessful": []}


async def _links(connection: str, key: bytes) -> Mapping[str, Any]:
    verbs = (("SMEMBERS", ()), ("HGETALL", ()), ("HGETALL", ()), ("ZRANGE", (0, -1, "WITHSCORES")))
    asked = [command(verb, key + link, *more) for (verb, more), link in zip(verbs, _LINKS, strict=True)]
    logs, waits, processed, failed, unsuccessful = await ask(
        connection, [command("LRANGE", key + b":logs", 0, -1), *asked]
    )
    flat = unsuccessful or []
    return {
        "logs": logs or [],
        "dependencies": list(waits or ()),
        "processed": pairs(processed),
        "failed": pairs(failed),
        "unsuccessful": dict(zip(flat[::2], flat[1::2], strict=True)),
    }


async def _tie(connection: str, k: Keys, found: Sequence[Copy]) -> None:
    """What a removal loosens: the parent that waits for it, the deduplication id that it holds."""
    children = [(one, parent) for one in found if (parent := one["hash"].get(b"parentKey"))]
    owners = [(one, k("de:") + owned) for one in found if (owned := one["hash"].get(b"deid"))]
    asked = [command("SISMEMBER", parent + b":dependencies", k.base + one["id"]) for one, parent in children]
    asked += [command(verb, owner) for _one, owner in owners for verb in ("GET", "PTTL")]
    replies = iter(await ask(connection, asked) if asked else ())
    for one, parent in children:
        if next(replies):
            one["parent"] = parent
    for one, owner in owners:
        holder, left_ms = next(replies), next(replies)
        if holder == one["id"]:
            one |= {"owner": owner, "owned_ms": max(left_ms or 0, 0)}


async def take(connection: str, queue: str, job_ids: Sequence[str], known: Mapping[str, Copy]) -> Answers:
    """Remove these jobs, of which there are copies, and leave their children. In one step with each removal it is
    looked whether the job still is as it was copied: where it is not, the answer of a removed job says so.
    """
    k = keys(connection, queue)
    asked: list[Command[Any]] = []
    for job_id in job_ids:
        remove: Command[Any] = call_script("removeJob", (k.job(job_id), k("repeat")), [raw(job_id), "0", k.base])
        # Nothing can be sent again inside a transaction: the first carries its source.
        bare = command(*(remove.args if asked else remove.as_eval()))
        asked += [command("MULTI"), command("HMGET", k.job(job_id), *_EVIDENCE), bare, command("EXEC")]
    replies = await answers(connection, asked)
    return [_taken(known.get(job_id), reply) for job_id, reply in zip(job_ids, replies[3::4], strict=True)]


CHANGED = "it changed in the same moment: what is kept of it is as it was before"
GONE = "it is gone"


def _taken(copy: Copy | None, reply: Any) -> str | None:
    if not isinstance(reply, list):
        return str(reply)
    evidence, answer = reply
    if answer != 1:
        return REASONS.get(answer, f"BullMQ answered {answer}")
    if not any(evidence or ()):
        return GONE
    before = [copy["hash"].get(name.encode()) for name in _EVIDENCE] if copy else evidence
    return None if before == evidence else CHANGED


async def bring_back(connection: str, queue: str, wanted: Sequence[Copy], once: str, marks: Sequence[int]) -> list[Any]:
    """Each whole and in its place, once: the script's answers (see restoreJob), refusals among them."""
    k = keys(connection, queue)
    key = k(f"toril:once:{once}")
    asked = [
        restoring(k, one, once=key, once_id=str(mark), kept_ms=ONCE_MS) for one, mark in zip(wanted, marks, strict=True)
    ]
    return await answers(connection, asked)


async def bring(
    connection: str, queue: str, wanted: Sequence[Copy], once: str, marks: Sequence[int], *, in_front: bool
) -> list[Any]:
    """Into another queue, to be run there as if never run before: ids as they are then, or a refusal, -5 or -9.

    What waits there already runs first, unless `in_front`; numbers are given anew, for both queues count from 1.
    """
    k = keys(connection, queue)
    names = k.many("wait prioritized delayed meta marker active events id")
    told = [_told(k, one, in_front) for one in wanted]
    key = k(f"toril:once:{once}")
    asked: list[Command[Any]] = [
        call_script("bringJob", names, (pack({**one, "once": key, "once_id": str(mark), "kept_ms": ONCE_MS}),))
        for one, mark in zip(told, marks, strict=True)
    ]
    return [codec.text(one) if isinstance(one, bytes) else one for one in await answers(connection, asked)]


def _told(k: Keys, one: Copy, in_front: bool) -> dict[str, Any]:
    fields = {name: value for name, value in one["hash"].items() if name not in _RUN}
    priority = codec.integer("", fields.get(b"priority", b"0"))[0]
    if one["place"] == "delayed":
        place = "delayed"
    else:
        place = "prioritized" if priority > 0 else "front" if in_front else "wait"
        fields[b"delay"] = b"0"
    return {
        "base": k.base,
        "id": b"" if one["id"].isdigit() else one["id"],
        "name": fields.get(b"name", b""),
        "place": place,
        "score": one["score"],
        "priority": priority,
        "pc": k("pc"),
        "hash": fields,
        "logs": one["logs"],
    }


async def weight(connection: str, queue: str, job_id: str) -> int:
    """About how many bytes a copy takes; 0 where Redis does not tell."""
    (size,) = await ask(connection, [command("MEMORY", "USAGE", keys(connection, queue).job(job_id), "SAMPLES", 0)])
    return size or 0


def is_in_a_flow(one: Copy) -> bool:
    """Whether it waits for others, or others for it: such a job belongs where it is."""
    return bool(one["hash"].get(b"parentKey") or one["dependencies"] or one["processed"] or one["failed"])
