"""Which library a queue was made by, and which age of it: what may be done to it without harm (docs/ages.md).

`version` in `meta` is written by Node's Queue objects (BullMQ 3.16.2 and newer, but for the first of 5); queues of Bull
3 and 4 have neither that nor a stream of events (PROTOCOL.md §2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from queues.errors import RedisRefused
from queues.protocol.codec import text
from queues.protocol.commands import Command, call_script, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import Keys

#: What stands for the version of a queue that Bull made.
BULL = "bull"
#: Their `resume` renames `paused` over `wait`: what was put into `wait` meanwhile is lost.
LAST_TO_PARK = 5
#: They look for jobs with a priority among those that wait, never in `prioritized`.
LAST_WITHOUT_PRIORITIZED = 3
PARKED_AT_ONCE = 1_000
_VERSION = re.compile(r"bullmq:(\d{1,4})\.")


@dataclass(frozen=True, slots=True)
class Age:
    """`major` is BullMQ's, None where nobody wrote it; `has_parked` where a paused queue's jobs lie in `paused`."""

    is_bull: bool = False
    major: int | None = None
    is_paused: bool = False
    has_parked: bool = False

    @property
    def parks(self) -> bool:
        """Whether its programs lay what waits aside while it is paused."""
        return self.has_parked or (self.major is not None and self.major <= LAST_TO_PARK)

    @property
    def knows_prioritized(self) -> bool:
        return self.major is None or self.major > LAST_WITHOUT_PRIORITIZED


def major_of(version: str) -> int | None:
    """`bullmq:5.81.5` → 5."""
    found = _VERSION.match(version)
    return int(found[1]) if found else None


def asking(k: Keys) -> list[Command[int]]:
    """What tells Bull's queues from BullMQ's, where `meta` names neither a version nor a length of the stream."""
    return [command("EXISTS", k(suffix)) for suffix in ("id", "events", "meta-paused")]


def is_bull(has_id: int, has_events: int, _paused: int = 0) -> bool:
    return has_id == 1 and has_events == 0


async def age_of(connection: str, queue: str) -> Age:
    """One round trip. A queue that is not there has no age."""
    k = keys(connection, queue)
    asked = [command("HMGET", k("meta"), "version", "opts.maxLenEvents", "paused"), command("EXISTS", k("paused"))]
    try:
        meta, parked, *told = await wire(connection).run([*asked, *asking(k)])
    except RedisRefused:
        # A key of the wrong type, or a user who may not ask: what is done next says so.
        return Age()
    version, length, paused = meta
    return Age(
        is_bull=version is None and length is None and is_bull(*told),
        major=major_of(text(version or b"")),
        is_paused=paused is not None,
        has_parked=parked == 1,
    )


async def park(connection: str, queue: str) -> int:
    """Pause it as BullMQ 5 and older do. How many still wait beside the parked ones: call again until 0."""
    k = keys(connection, queue)
    left: int = await wire(connection).call(
        call_script("park", k.many("wait paused meta marker events"), [PARKED_AT_ONCE])
    )
    return left
