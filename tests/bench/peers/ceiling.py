"""Redis's own ceiling: finish+fetch calls kept in flight by a loader that does nothing else. Prints calls per second.

The jobs are 1, 2, 3 … of a fresh queue. One connection keeps their order, so a call may be sent before the one that
fetches its job is answered; all are packed beforehand.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any, cast

import hiredis

from queues.protocol.keys import Keys
from queues.protocol.running import RunningCommands
from queues.protocol.scripts import script
from queues.protocol.taken import KEEP_ALL, TakenJob

TAKEN_FIRST, IN_FLIGHT, AT_ONCE = 50, 400, 50
TOKEN = "loader:0"


def main(jobs: int) -> None:
    commands = RunningCommands(Keys(os.environ["PREFIX"], os.environ["QUEUE"]), name="loader", lock_ms=30_000)
    loads = [("SCRIPT", "LOAD", script(name).source) for name in ("moveToActive", "moveToFinished")]
    first = loads + [commands.fetch(TOKEN).args] * TAKEN_FIRST
    rest = [_pack(_finish(commands, number)) for number in range(1, jobs + 1)]
    with socket.create_connection(("127.0.0.1", int(os.environ["REDIS_PORT"]))) as redis:
        answers = _Answers(redis)
        redis.sendall(b"".join(map(_pack, first)))
        answers.read(len(first))
        quarter, began = jobs // 4, 0.0
        for sent in range(0, jobs, AT_ONCE):
            answers.read(len(first) + sent - IN_FLIGHT)
            if not began and sent >= quarter:
                began = time.perf_counter()
                quarter = sent
            redis.sendall(b"".join(rest[sent : sent + AT_ONCE]))
        answers.read(len(first) + jobs)
        print((jobs - quarter) / (time.perf_counter() - began))


class _Answers:
    def __init__(self, redis: socket.socket) -> None:
        self._redis, self._reader, self._count = redis, hiredis.Reader(), 0

    def read(self, until: int) -> None:
        """Until so many answers have come, in all."""
        while self._count < until:
            self._reader.feed(self._redis.recv(2**18))
            while (reply := self._reader.gets()) is not False:
                assert not isinstance(reply, hiredis.ReplyError), reply
                self._count += 1


def _finish(commands: RunningCommands, number: int) -> Any:
    job = TakenJob(str(number).encode(), {})
    return commands.complete(job, TOKEN, "null", KEEP_ALL, fetch_next=True).args


def _pack(args: Any) -> bytes:
    return hiredis.pack_command(cast(Any, args))


if __name__ == "__main__":
    main(int(sys.argv[1]))
