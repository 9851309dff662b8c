"""The leader's duty of sending webhooks (`queues.delivery.sender`)."""

from __future__ import annotations

from queues.delivery.sender import Sender
from queues.mirror.leader import Leader
from queues.mirror.thread import DatabaseThread


class Deliveries:
    name = "deliveries"

    def __init__(self, leader: Leader) -> None:
        self.database = DatabaseThread("mirror-deliveries")
        self._sender = Sender(self.database.call, leader.check)

    async def turn(self) -> float:
        return await self._sender.turn()
