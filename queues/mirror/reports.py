"""What the mirror says of itself in the tables, for pages (`lookups.mirror_state`), and in its log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from queues.mirror.leader import Leader
from queues.mirror.session import Session
from queues.mirror.sides import Lost
from queues.models import MirrorReport

log = logging.getLogger(__name__)

#: What did not change is said again after so long.
SAY_EVERY_S = 10.0
LOG_EVERY_S = 60.0
#: Being further behind than this is said at once.
LATE_S = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    lag_s: float
    mending: int
    lost: Lost | None


class Reports:
    """Duties: 1. write down how each connection stands, where that changed, 2. log it now and then, and at once where
    it falls back or has caught up.
    """

    def __init__(self, leader: Leader) -> None:
        self.leader = leader
        self._said: dict[str, tuple[float, Said]] = {}
        self._late: dict[str, bool] = {}
        self._logged_at = time.monotonic()

    def due(self, sessions: Mapping[str, Session]) -> dict[str, Said]:
        """What is to be written of which connections."""
        now = time.monotonic()
        found = {name: _standing(session) for name, session in sessions.items() if session.is_open}
        before = self._said
        return {
            name: said
            for name, said in found.items()
            if name not in before or before[name][1] != said or now - before[name][0] >= SAY_EVERY_S
        }

    def write(self, due: Mapping[str, Said]) -> None:
        """Synchronous, where the database is spoken to."""
        if not due:
            return
        with transaction.atomic():
            self.leader.check()
            for connection, said in due.items():
                self._one(connection, said)
        now = time.monotonic()
        self._said |= {name: (now, said) for name, said in due.items()}

    def _one(self, connection: str, said: Said) -> None:
        row, _ = MirrorReport.objects.get_or_create(connection=connection, defaults={"said_at": timezone.now()})
        row.said_at, row.lag_s, row.mending = timezone.now(), said.lag_s, said.mending
        before = self._said[connection][1].lost if connection in self._said else None
        if said.lost is not None and said.lost != before:
            # Each session counts from one.
            same = before is not None and said.lost.count > before.count
            row.losses += said.lost.count - (before.count if same and before else 0)
            row.lost_at, row.lost_queue, row.lost_why = said.lost.at, said.lost.queue, said.lost.why[:200]
        row.save()

    def log(self, sessions: Mapping[str, Session]) -> None:
        is_time = time.monotonic() - self._logged_at >= LOG_EVERY_S
        self._logged_at = time.monotonic() if is_time else self._logged_at
        for name, session in sessions.items():
            is_late = session.is_open and session.ear.lag_s > LATE_S
            if session.is_open and (is_time or is_late != self._late.get(name, False)):
                log.info("connection %s: %s", name, _sentence(session))
            self._late[name] = is_late


def _standing(session: Session) -> Said:
    doubtful = sum(queue.is_in_doubt for queue in session.followed.values())
    return Said(round(session.ear.lag_s, 1), doubtful, session.sides.lost)


def _sentence(session: Session) -> str:
    said = _standing(session)
    also = f" ({said.mending} being compared with their sets)" if said.mending else ""
    return f"{len(session.followed)} queues{also}, {said.lag_s} s behind, {session.written} rows written so far"
