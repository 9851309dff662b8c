"""One action on many queues: counted and frozen first, then done queue by queue, each with an audit row of its own.

Until such work becomes an operation, one call works for a few seconds and says what is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from queues.actions import bulk
from queues.actions.actor import Actor
from queues.actions.audit import AuditUnavailable
from queues.actions.queues import pause_queue, resume_queue
from queues.errors import InvalidInput, RedisUnavailable, TorilError
from queues.models import Queue
from queues.protocol.writes import now_ms
from queues.states import State

ACTIONS = ("pause", "resume", "retry-all")
#: So many queues are counted at a time.
AT_ONCE = 20
BUDGET_S = 8.0


@dataclass(frozen=True, slots=True)
class Share:
    """Of one queue: how many jobs the action touches, or, of a pause, how many will wait."""

    queue: str
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The queues that the action would touch, and the moment at which their jobs were counted."""

    connection: str
    action: str
    before_ms: int
    shares: tuple[Share, ...]

    @property
    def jobs(self) -> int:
        return sum(share.jobs for share in self.shares)


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """`done` queues were touched and `jobs` jobs; `failures` says of queues why not; `left` was not come to."""

    plan: GroupPlan
    done: int
    jobs: int
    failures: tuple[tuple[str, str], ...]
    left: tuple[Share, ...]


async def plan(connection: str, action: str, queues: Iterable[Queue], before_ms: int | None = None) -> GroupPlan:
    """Those of the queues for which the action would change something. Changes nothing. Raises InvalidInput."""
    if action not in ACTIONS:
        raise InvalidInput(_("There is no action “%(what)s” for many queues.") % {"what": action[:60]})
    before = now_ms() if before_ms is None else min(before_ms, now_ms())
    meant = sorted((queue for queue in queues if _is_meant(queue, action)), key=lambda queue: queue.name)
    if action == "retry-all":
        counts = await _counted(connection, [queue.name for queue in meant], before)
    else:
        counts = [queue.waiting + queue.prioritized for queue in meant]
    shares = [Share(queue.name, count) for queue, count in zip(meant, counts, strict=True)]
    return GroupPlan(connection, action, before, tuple(s for s in shares if s.jobs or action != "retry-all"))


def _is_meant(queue: Queue, action: str) -> bool:
    if action == "retry-all":
        return queue.failed > 0
    return queue.is_paused is (action == "resume")


async def _counted(connection: str, names: Sequence[str], before_ms: int) -> list[int]:
    found: list[int] = []
    for at in range(0, len(names), AT_ONCE):
        asked = [bulk.plan(connection, n, "retry-all", State.FAILED, before_ms=before_ms) for n in names[at:][:AT_ONCE]]
        found += [counted.count for counted in await asyncio.gather(*asked)]
    return found


async def run(actor: Actor, plan: GroupPlan, budget_s: float = BUDGET_S) -> GroupProgress:
    """Queue after queue, for about `budget_s`; never more jobs of a queue than were counted. A queue that fails does
    not stop the others; a Redis or a database that is away does. Raises what stopped it where nothing was done.
    """
    deadline, shares = time.monotonic() + budget_s, list(plan.shares)
    done = jobs = 0
    failures: list[tuple[str, str]] = []
    while shares and time.monotonic() < deadline:
        share = shares[0]
        try:
            touched, left = await _one(actor, plan, share, deadline - time.monotonic())
        except (RedisUnavailable, AuditUnavailable):
            if not done:
                raise
            break
        except TorilError as error:
            failures.append((share.queue, str(error)))
            shares.pop(0)
            continue
        done, jobs = done + (touched > 0 or plan.action != "retry-all"), jobs + touched
        shares[:1] = [replace(share, jobs=left)] if left else []
    return GroupProgress(plan, done, jobs, tuple(failures), tuple(shares))


async def _one(actor: Actor, plan: GroupPlan, share: Share, budget_s: float) -> tuple[int, int]:
    """How many jobs were touched, and how many are left."""
    if plan.action == "pause":
        await pause_queue(actor, plan.connection, share.queue)
        return share.jobs, 0
    if plan.action == "resume":
        await resume_queue(actor, plan.connection, share.queue)
        return share.jobs, 0
    counted = await bulk.plan(plan.connection, share.queue, "retry-all", State.FAILED, before_ms=plan.before_ms)
    progress = await bulk.run(actor, replace(counted, count=min(counted.count, share.jobs)), budget_s)
    return progress.done, progress.left
