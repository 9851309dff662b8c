"""What stands in a wire's line: one command that waits for its reply, or many that are asked and answered as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import hiredis

from queues.errors import RedisUnavailable, TorilError
from queues.protocol.commands import Command
from queues.protocol.refusals import refusal


class Call:
    __slots__ = ("command", "future", "packed", "since")
    replies = 1

    def __init__(self, asked: Command[Any], future: asyncio.Future[Any], since: float) -> None:
        self.command, self.future, self.since = asked, future, since
        # Here, where its own caller hears of it: a call that took its place in the line and was never written would
        # be given the next one's reply.
        self.packed: bytes = hiredis.pack_command(cast(Any, asked.args))

    def with_source(self) -> Call:
        """The same call for a server that does not hold its script."""
        return Call(Command(self.command.as_eval(), self.command.read), self.future, self.since)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def answer(self, reply: Any) -> None:
        if self.future.done():
            return
        try:
            self.future.set_result(self.command.read(reply))
        except Exception as error:
            self.future.set_exception(error)


class Bundle:
    """Many commands that are one call: packed once by whoever asks them again and again, answered by a list."""

    __slots__ = ("future", "got", "packed", "replies", "since")

    def __init__(self, packed: bytes, replies: int, future: asyncio.Future[list[Any]], since: float) -> None:
        self.packed, self.replies, self.future, self.since = packed, replies, future, since
        self.got: list[Any] = []

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def take(self, reply: Any) -> None:
        self.got.append(refusal(str(reply)) if isinstance(reply, hiredis.ReplyError) else reply)
        if len(self.got) == self.replies and not self.future.done():
            self.future.set_result(self.got)


def pack(commands: Sequence[Command[Any]]) -> bytes:
    """What `Wire.bundle` sends: commands whose replies are wanted as they are."""
    return b"".join([hiredis.pack_command(cast(Any, asked.args)) for asked in commands])


async def collected(futures: Sequence[asyncio.Future[Any]], return_errors: bool) -> list[Any]:
    """What all of them come to, in order; the first error is raised after every reply is in.

    `return_errors` puts refusals among the values; RedisUnavailable is raised all the same: silence is no answer.
    """
    results: list[Any] = []
    try:
        for future in futures:
            try:
                results.append(await future)
            except TorilError as error:
                results.append(error)
    finally:
        for future in futures:
            # Retrieves what an early leave left behind, so that asyncio does not complain of it.
            future.cancel() if not future.done() else future.cancelled() or future.exception()
    for result in results:
        if isinstance(result, RedisUnavailable if return_errors else TorilError):
            raise result
    return results
