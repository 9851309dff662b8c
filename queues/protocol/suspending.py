"""A scheduler taken out of BullMQ with everything it was, and put back as it was."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from queues.errors import InvalidInput, Refused
from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.cron import next_ms
from queues.protocol.keys import Keys
from queues.protocol.scheduling import NewSchedule, Schedule, adding, removing, schedule_of

#: What the script writes by itself when it stores a scheduler; the rest is written again exactly as it was.
_RECKONED = frozenset({"ic", "offset"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A scheduler's record: its hash (`fields`, text as `codec.text` makes it), when its next job was due, and which
    of its jobs that was, as its limit counts (`count`). `is_spent`: that job was left to its worker, and the one after
    it is the next.
    """

    id: str
    fields: Mapping[str, str] = field(default_factory=dict)
    next_ms: int = 0
    count: int = 1
    is_spent: bool = False

    def to_json(self) -> str:
        told = {"id": self.id, "fields": self.fields, "next": self.next_ms, "count": self.count, "spent": self.is_spent}
        return codec.to_json(told)

    @classmethod
    def from_json(cls, stored: str) -> Definition:
        """Of what `to_json` wrote. Raises ValueError or KeyError for anything else."""
        held = codec.from_json(stored.encode())
        return cls(held["id"], held["fields"], held["next"], held["count"], held.get("spent", False))

    @property
    def schedule(self) -> Schedule:
        raw = {name.encode(): codec.raw(value) for name, value in self.fields.items()}
        return schedule_of(codec.raw(self.id), raw, str(self.next_ms).encode())

    @property
    def following(self) -> int:
        """Which of its jobs comes next."""
        return self.count + self.is_spent

    @property
    def size(self) -> int:
        return sum(len(value) for value in self.fields.values())


async def definition(connection: str, queue: str, schedule_id: str) -> Definition | None:
    """As it is stored now; None where there is none."""
    on, k, raw_id = wire(connection), keys(connection, queue), codec.raw(schedule_id)
    stored, score = await on.run([command("HGETALL", k("repeat:") + raw_id), command("ZSCORE", k("repeat"), raw_id)])
    found = _definition(schedule_id, stored, score)
    if found is None:
        return None
    opts = await on.call(command("HGET", k("repeat:") + raw_id + b":" + score, "opts"))
    return replace(found, count=_count(opts))


async def take_out(connection: str, queue: str, before: Definition) -> Definition | None:
    """Remove it and its next job, where that still waits for its time; what it was at that very moment, its jobs
    counted on from `before`. None where it was not there.
    """
    k, raw_id = keys(connection, queue), codec.raw(before.id)
    asked = [
        command("HGETALL", k("repeat:") + raw_id),
        command("ZSCORE", k("repeat"), raw_id),
        command("ZSCORE", k("delayed"), b"repeat:" + raw_id + f":{before.next_ms}".encode()),
        Command(removing(k, before.id).as_eval()),
    ]
    stored, score, delayed, _ = await _at_once(connection, asked)
    found = _definition(before.id, stored, score)
    if found is None:
        return None
    # A worker may have gone on since we looked: of the job that it added we know that it waits for its time.
    made = max(found.schedule.iterations - before.schedule.iterations, 0)
    is_spent = delayed is None and found.next_ms == before.next_ms
    return replace(found, count=before.count + made, is_spent=is_spent)


async def are_there(connection: str, wanted: Sequence[tuple[str, str]]) -> list[bool]:
    """Of each (queue, scheduler id): whether BullMQ has it. One round trip."""
    asked = [command("ZSCORE", keys(connection, queue)("repeat"), codec.raw(name)) for queue, name in wanted]
    replies = await wire(connection).run(asked, return_errors=True)
    return [isinstance(reply, bytes) for reply in replies]


async def put_back(connection: str, queue: str, kept: Definition) -> str:
    """Store it again, field by field as it was, its beat and its count going on; the id of its next job.

    Raises Refused where its end has passed or it has made all its jobs, and where its next job cannot be added.
    """
    now_ms, k, rule = time.time_ns() // 1_000_000, keys(connection, queue), kept.schedule
    _check_is_not_over(kept, rule, now_ms)
    asked = adding(k, _again(kept, rule), now_ms, _due_ms(kept, rule, now_ms))
    key = k("repeat:") + codec.raw(kept.id)
    commands = [*_foundations(k, kept, rule), Command(asked.as_eval()), _rest(key, kept)]
    replies = await _at_once(connection, commands)
    try:
        return asked.read(replies[-2])
    except Refused:
        await wire(connection).call(removing(k, kept.id))
        raise


def _check_is_not_over(kept: Definition, rule: Schedule, now_ms: int) -> None:
    if rule.end_ms is not None and rule.end_ms <= now_ms:
        raise Refused(_("Scheduler “%(id)s” was not put back: its end has passed.") % {"id": kept.id})
    if rule.limit is not None and kept.following > rule.limit:
        raise Refused(
            _("Scheduler “%(id)s” was not put back: it has made all of its %(limit)s jobs.")
            % {"id": kept.id, "limit": f"{rule.limit:,}"}
        )
    if not rule.pattern and not rule.every_ms:
        raise InvalidInput(_("Scheduler “%(id)s” says neither a pattern nor a beat.") % {"id": kept.id})


def _again(kept: Definition, rule: Schedule) -> NewSchedule:
    options = codec.parse_json(rule.opts) if rule.opts else {}
    return NewSchedule(
        id=kept.id,
        name=rule.name,
        every_ms=rule.every_ms,
        offset_ms=rule.offset_ms,
        pattern=rule.pattern,
        tz=rule.tz,
        limit=rule.limit,
        start_ms=rule.start_ms,
        end_ms=rule.end_ms,
        data=rule.data or "{}",
        stored_options=options if isinstance(options, dict) else {},
        count=kept.following,
    )


def _due_ms(kept: Definition, rule: Schedule, now_ms: int) -> int | None:
    """What was drawn for an `H` stays drawn. Of `every` the script reckons the time itself."""
    if not rule.pattern:
        return None
    if kept.next_ms > now_ms and not kept.is_spent:
        return kept.next_ms
    after_ms = max(now_ms, kept.next_ms) if kept.is_spent else now_ms
    return next_ms(rule.pattern, after_ms, start_ms=rule.start_ms, tz=rule.tz)


def _foundations(k: Keys, kept: Definition, rule: Schedule) -> list[Command[Any]]:
    """What the script takes over from a record it finds: how many jobs it made, and for `every` its beat."""
    key, raw_id = k("repeat:") + codec.raw(kept.id), codec.raw(kept.id)
    found = [command("HSET", key, "ic", (rule.iterations or 1) + kept.is_spent)]
    if rule.every_ms:
        # The script takes the next beat after the last that is still to come. Were the last the one that was left to a
        # worker, and does it wait still, the script would replace it.
        last_ms = kept.next_ms - rule.every_ms
        found.append(command("HSET", key, "every", rule.every_ms, "offset", rule.offset_ms or 0))
        found.append(command("ZADD", k("repeat"), last_ms, raw_id))
    return found


def _rest(key: bytes, kept: Definition) -> Command[Any]:
    fields = {name: value for name, value in kept.fields.items() if name not in _RECKONED}
    return command("HSET", key, *(part for name, value in fields.items() for part in (name, codec.raw(value))))


async def _at_once(connection: str, commands: Sequence[Command[Any]]) -> list[Any]:
    """In one transaction: nothing that BullMQ does comes between."""
    *_, replies = await wire(connection).run([command("MULTI"), *commands, command("EXEC")])
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return list(replies)


def _definition(schedule_id: str, stored: Any, score: Any) -> Definition | None:
    if not isinstance(score, bytes):
        return None
    fields = {codec.text(name): codec.text(value) for name, value in codec.pairs(stored).items()}
    return Definition(schedule_id, fields, codec.integer("", score)[0])


def _count(opts: Any) -> int:
    """Which job of the scheduler this is; the first where its options do not say."""
    told = codec.parse_json(codec.text(opts)) if isinstance(opts, bytes) else None
    repeat = told.get("repeat") if isinstance(told, dict) else None
    count = repeat.get("count") if isinstance(repeat, dict) else None
    return int(count) if isinstance(count, int | float) and 1 <= count < codec.LARGEST else 1
