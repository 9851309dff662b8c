"""The carrier that everyone uses: BullMQ in Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from queues.producer.carrier import Carrier
from queues.protocol.adding import NewJob, add_job
from queues.protocol.blocking import drive
from queues.protocol.connections import keys, wire

T = TypeVar("T")


class RedisCarrier:
    """Stateless: connections belong to the running loop, or to the sync door."""

    def run_sync(self, make: Callable[[], Awaitable[T]]) -> T:
        return drive(make())

    async def add(self, connection: str, queue: str, job: NewJob) -> str:
        return await wire(connection).call(add_job(keys(connection, queue), job))


CARRIER: Carrier = cast(Any, RedisCarrier())
