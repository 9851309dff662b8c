"""What the leading mirror does beside following Redis, once per database: one module each, none holding up another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from queues.mirror.alerts import AlertNotices, Alerts
from queues.mirror.attempts import Attempts
from queues.mirror.deliveries import Deliveries
from queues.mirror.endings import Endings
from queues.mirror.failures import Failures
from queues.mirror.happenings import Happenings
from queues.mirror.history import PruneSamples
from queues.mirror.indexing import Indexing
from queues.mirror.leader import Leader, LeaseLost
from queues.mirror.operations import Operations
from queues.mirror.pauses import PASSING, Pauses
from queues.mirror.prune import Prune
from queues.mirror.thread import DatabaseThread

log = logging.getLogger(__name__)

#: After a fault of our own: it may be one job's, and pass with it.
AFTER_FAULT_S = 5.0


class Duty(Protocol):
    """Speaks to the database in a thread of its own, and commits little at a time: SQLite has one writer."""

    name: str
    database: DatabaseThread

    async def turn(self) -> float:
        """Do what is due, a bounded piece of it. Returns after how many seconds there may be more; 0 for at once."""
        ...


def duties(leader: Leader, connections: Sequence[str]) -> list[Duty]:
    """Each anew for whoever leads now: none may trust what an earlier leader had in memory."""
    return [
        Prune(leader),
        PruneSamples(leader),
        Attempts(leader),
        Indexing(leader),
        Failures(leader),
        Operations(leader),
        Endings(leader),
        Happenings(leader),
        Deliveries(leader),
        Alerts(leader, connections),
        AlertNotices(leader),
    ]


async def keep(duty: Duty) -> None:
    """Turn it until cancelled. An outage is waited for; a fault of its own is said and stops no other duty."""
    outage = Pauses(duty.name)
    try:
        while True:
            try:
                await asyncio.sleep(await duty.turn())
                outage.is_over()
            except LeaseLost:
                raise
            except PASSING as error:
                await outage.wait(error)
            except Exception:
                log.exception("%s failed; it is tried again", duty.name)
                await asyncio.sleep(AFTER_FAULT_S)
    finally:
        await duty.database.close()
