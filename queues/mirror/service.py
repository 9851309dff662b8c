"""The mirror as a process: one leads, follows every connection, and outlives what Redis and the database do to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from queues.mirror.duties import duties, keep
from queues.mirror.leader import RENEW_S, Leader, LeaseLost
from queues.mirror.pauses import PASSING, Pauses
from queues.mirror.reports import Reports
from queues.mirror.schedulers import SchedulerGuard, close_database
from queues.mirror.session import Session
from queues.mirror.thread import DatabaseThread, DatabaseUnavailable
from queues.protocol.connections import close_wires

log = logging.getLogger(__name__)


class Mirror:
    """Duties: 1. lead or wait, 2. follow each connection, 3. keep the lease, 4. say how far behind it is,
    5. guard paused schedulers, 6. do what else is to be done once per database (`duties`).

    `run` lasts until it is cancelled, then leaves nothing half written and gives the lease back.
    """

    def __init__(self, connections: Iterable[str]) -> None:
        self.connections = list(connections)
        self.leader = Leader()
        self.sessions: dict[str, Session] = {}
        self.is_leading = False
        self._database = DatabaseThread()

    async def run(self) -> None:
        try:
            while True:
                await self._lead()
                self.is_leading = True
                with contextlib.suppress(LeaseLost):
                    await self._follow()
                self.is_leading = False
                log.warning("another mirror has taken over; waiting")
        finally:
            self.is_leading = False
            await self._leave()

    async def _lead(self) -> None:
        """Wait until this process leads."""
        outage, waiting = Pauses("the lease"), False
        while True:
            try:
                if await self._database.call(self.leader.try_take):
                    outage.is_over()
                    log.info("this mirror leads")
                    return
                outage.is_over()
            except DatabaseUnavailable as error:
                await outage.wait(error)
            if not waiting:
                log.info("another mirror leads; waiting to take over")
                waiting = True
            await asyncio.sleep(RENEW_S / 2)

    async def _follow(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for name in self.connections:
                    group.create_task(self._keep(name), name=f"mirror {name}")
                    group.create_task(SchedulerGuard(name).run(), name=f"mirror schedulers {name}")
                for duty in duties(self.leader, self.connections):
                    group.create_task(keep(duty), name=f"mirror {duty.name}")
                group.create_task(self._renew(), name="mirror lease")
                group.create_task(self._report(), name="mirror report")
        except* LeaseLost as lost:
            raise LeaseLost(str(lost.exceptions[0])) from None

    async def _keep(self, connection: str) -> None:
        """One session after the other, as long as we lead."""
        outage = Pauses(f"connection {connection}")
        while True:
            session = self.sessions[connection] = Session(connection, self.leader, self._database)
            try:
                await session.begin()
                outage.is_over()
                while True:
                    await session.turn()
                    outage.is_over()
            except PASSING as error:
                await session.end()
                await outage.wait(error)
            finally:
                await session.end()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            # The database away: nobody else can take the lease either, and nothing is written without it.
            with contextlib.suppress(DatabaseUnavailable):
                await self._database.call(self.leader.renew)

    async def _report(self) -> None:
        """How far behind each connection is, to whoever asks."""
        reports = Reports(self.leader)
        while True:
            await asyncio.sleep(1.0)
            reports.log(self.sessions)
            if due := reports.due(self.sessions):
                with contextlib.suppress(DatabaseUnavailable):
                    await self._database.call(reports.write, due)

    async def _leave(self) -> None:
        with contextlib.suppress(DatabaseUnavailable):
            await self._database.call(self.leader.give_back)
        await self._database.close()
        await close_database()
        await close_wires()
