"""A call that may be sent on: its caller hears of it only when it has arrived somewhere."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from queues.protocol.calls import Call
from queues.protocol.commands import Command, command

#: What lets one command in where its slot is still being brought to.
ASKING: Command[Any] = command("ASKING")


class Guide(Protocol):
    def is_sent_on(self, call: RoutedCall, error: BaseException) -> bool: ...


class RoutedCall(Call):
    """`began` is when it was asked first; `since`, which a wire watches, when it was sent last."""

    __slots__ = ("began", "guide", "hops", "slot")

    def __init__(self, guide: Guide, asked: Command[Any], future: asyncio.Future[Any], since: float, slot: int) -> None:
        super().__init__(asked, future, since)
        self.guide, self.slot, self.began, self.hops = guide, slot, since, 0

    def with_source(self) -> RoutedCall:
        sourced = Command(self.command.as_eval(), self.command.read)
        call = RoutedCall(self.guide, sourced, self.future, self.since, self.slot)
        call.began, call.hops = self.began, self.hops
        return call

    def fail(self, error: BaseException) -> None:
        if not self.future.done() and not self.guide.is_sent_on(self, error):
            self.end(error)

    def end(self, error: BaseException) -> None:
        """It fails, and for good."""
        super().fail(error)
