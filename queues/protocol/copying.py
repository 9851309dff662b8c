"""Whole jobs copied in the moment they are removed, and brought back: a job with the children that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from queues.errors import JobLocked, RedisRefused, Refused
from queues.protocol import codec
from queues.protocol.codec import pairs
from queues.protocol.commands import Command, call_script, command, pack
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.keys import Keys
from queues.protocol.refusals import refusal
from queues.protocol.writes import DONE, SCHEDULED_JOB

#: What is copied: so many jobs, together so large, each with so many lines of log.
MOST_BYTES, MOST_JOBS, MOST_LOG_LINES = 1_048_576, 50, 2_000
_PLACES = ("completed", "waiting-children", "delayed", "failed", "prioritized")
#: What hangs at a job's key beside its log.
_LINKS = (b":dependencies", b":processed", b":failed", b":unsuccessful")
Copy = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One job of a family, by its queue and id."""

    queue: str
    id: str


async def family(connection: str, queue: str, job_id: str) -> list[Member] | str:
    """The job and those that go with it, itself first; or why there can be no copy, as the end of a sentence."""
    found, at, size = [Member(queue, job_id)], 0, 0
    while at < len(found):
        taken = await _size(connection, found[at])
        size += taken if taken is not None else MOST_BYTES + 1
        if size > MOST_BYTES:
            return f"it is too large to be kept for that (over {MOST_BYTES // 1_048_576} MB)"
        for child in await _children(connection, found[at]):
            if child is not None and child not in found:
                found.append(child)
        if len(found) > MOST_JOBS:
            return f"more than {MOST_JOBS - 1} children went with it"
        at += 1
    return found


async def _size(connection: str, one: Member) -> int | None:
    """Bytes in Redis of all its keys; None where it has too many lines of log, or Redis does not tell."""
    on, k = wire(connection), keys(connection, one.queue)
    key, logs = k.job(one.id), k.logs(one.id)
    # A log or a hash is weighed whole, once it is known to be short; what hangs at it is counted soon.
    found = await on.run([command("LLEN", logs), command("HLEN", key)], return_errors=True)
    if any(isinstance(count, Exception) or count > MOST_LOG_LINES for count in found):
        return None
    asked = [command("MEMORY", "USAGE", name, "SAMPLES", 0) for name in (key, logs)]
    asked += [command("MEMORY", "USAGE", key + link) for link in _LINKS]
    sizes = await on.run(asked, return_errors=True)
    return None if any(isinstance(size, Exception) for size in sizes) else sum(size or 0 for size in sizes)


async def _children(connection: str, one: Member) -> list[Member | None]:
    key = keys(connection, one.queue).job(one.id)
    asked = [
        command("SRANDMEMBER", key + b":dependencies", MOST_JOBS + 1),
        command("HKEYS", key + b":processed"),
        command("HKEYS", key + b":failed"),
        command("ZRANGE", key + b":unsuccessful", 0, MOST_JOBS),
    ]
    found = await wire(connection).run(asked, return_errors=True)
    links = [link for group in found if isinstance(group, list) for link in group]
    return [_member(prefix(connection), link) for link in links[: 2 * MOST_JOBS]]


def _member(under: str, key: bytes) -> Member | None:
    start = codec.raw(under) + b":"
    queue, colon, job_id = key.removeprefix(start).partition(b":")
    return Member(codec.text(queue), codec.text(job_id)) if key.startswith(start) and colon else None


async def remove_with_copy(connection: str, queue: str, job_id: str, members: Sequence[Member]) -> list[Copy]:
    """Remove the job as `writes.remove_job` does, and copy it and those that go with it in the same transaction.

    Raises JobLocked, or Refused where a scheduler owns it; then nothing was removed.
    """
    k = keys(connection, queue)
    ties = await _ties(connection, queue, job_id)
    groups = [_copy(keys(connection, one.queue), one.id) for one in members]
    remove = call_script("removeJob", (k.job(job_id), k("repeat")), [codec.raw(job_id), "1", k.base]).as_eval()
    asked = [command("MULTI"), *(one for group in groups for one in group), Command(remove), command("EXEC")]
    *_others, replies = await wire(connection).run(asked)
    _check(job_id, replies[-1])
    width = len(groups[0])
    found = [_copied(one, replies[at * width : (at + 1) * width]) for at, one in enumerate(members)]
    found[0] |= ties
    return [await _with_neighbour(connection, one) for one in found if one["hash"]]


def _check(job_id: str, answer: Any) -> None:
    if isinstance(answer, Exception):
        raise refusal(str(answer))
    if answer == SCHEDULED_JOB:
        raise Refused(
            _("Job “%(job)s” is the next run of a scheduler: remove the scheduler instead.") % {"job": job_id}
        )
    if answer != DONE:
        raise JobLocked(job_id)


async def _ties(connection: str, queue: str, job_id: str) -> Copy:
    """What its removal loosens: the parent that waits for it, the deduplication id that it holds."""
    on, k = wire(connection), keys(connection, queue)
    parent, owned = await on.call(command("HMGET", k.job(job_id), "parentKey", "deid"))
    ties: Copy = {}
    if parent and await on.call(command("SISMEMBER", parent + b":dependencies", k.job(job_id))):
        ties["parent"] = parent
    if owned:
        owner = k("de:") + owned
        holder, left_ms = await on.run([command("GET", owner), command("PTTL", owner)])
        if holder == codec.raw(job_id):
            ties |= {"owner": owner, "owned_ms": max(left_ms, 0)}
    return ties


def _copy(k: Keys, job_id: str) -> list[Command[Any]]:
    key, member = k.job(job_id), codec.raw(job_id)
    return [
        command("HGETALL", key),
        command("LRANGE", k.logs(job_id), 0, MOST_LOG_LINES - 1),
        command("SMEMBERS", key + b":dependencies"),
        command("HGETALL", key + b":processed"),
        command("HGETALL", key + b":failed"),
        command("ZRANGE", key + b":unsuccessful", 0, -1, "WITHSCORES"),
        command("LPOS", k("wait"), member),
        *(command("ZSCORE", k(place), member) for place in _PLACES),
    ]


def _copied(one: Member, replies: Sequence[Any]) -> Copy:
    found = [None if isinstance(reply, Exception) else reply for reply in replies]
    fields, lines, dependencies, processed, failed, unsuccessful, position, *scores = found
    place, score = next(((p, s) for p, s in zip(_PLACES, scores, strict=True) if s is not None), ("", b"0"))
    return {
        "queue": one.queue,
        "id": codec.raw(one.id),
        "place": place or ("wait" if position is not None else ""),
        "score": score,
        "position": position,
        "hash": pairs(fields),
        "logs": lines or [],
        "dependencies": list(dependencies or []),
        "processed": pairs(processed),
        "failed": pairs(failed),
        "unsuccessful": pairs(unsuccessful),
    }


async def _with_neighbour(connection: str, one: Copy) -> Copy:
    """With the id that runs just before a waiting one: that stands in its place now."""
    if one["place"] != "wait":
        return one | {"before": b""}
    k = keys(connection, one["queue"])
    return one | {"before": await wire(connection).call(command("LINDEX", k("wait"), one["position"])) or b""}


async def restore(connection: str, copies: Sequence[Mapping[str, Any]]) -> bool:
    """Bring the copies back, each in one step; whether its parent waits for the first again, where it did.

    Raises Refused where a job of the first one's id is there again.
    """
    asked = [restoring(keys(connection, one["queue"]), one) for one in copies]
    first, *others = asked
    answer = await wire(connection).call(first)
    if answer < 0:
        raise Refused(
            _("Job “%(text)s” was not restored: there is a job of this id again.")
            % {"text": codec.text(copies[0]["id"])}
        )
    for found in await wire(connection).run(others, return_errors=True):
        if isinstance(found, RedisRefused):
            raise found
    return answer == DONE


def restoring(k: Keys, one: Mapping[str, Any], **once: Any) -> Command[int]:
    parent = one.get("parent", b"")
    base, _colon, parent_id = parent.rpartition(b":")
    told = {
        **{name: one[name] for name in ("id", "place", "score", "before", "hash", "logs", "dependencies")},
        **{name: one[name] for name in ("processed", "failed", "unsuccessful")},
        "name": one["hash"].get(b"name", b""),
        "parent": parent,
        "parents": base + b":waiting-children",
        "parent_id": parent_id,
        "owner": one.get("owner", b""),
        "owned_ms": one.get("owned_ms", 0),
        **once,
    }
    names = (k.base + one["id"], k("wait"), k(one["place"] or "wait"), *k.many("meta marker active events"))
    return call_script("restoreJob", names, (pack(told),))
