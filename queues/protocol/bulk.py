"""Adding many jobs to one queue: pipelined in pieces, so that neither Redis nor memory holds more than two of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

from queues.errors import NotAllAdded, TorilError
from queues.protocol.adding import NewJob, add_jobs
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.scripts import Script, script
from queues.protocol.wire import Wire

#: A piece ends with either; Redis serves others between any two jobs of one.
CHUNK_JOBS, CHUNK_CHARACTERS = 500, 1_000_000
_SCRIPTS = ("addStandardJob", "addPrioritizedJob", "addDelayedJob")


async def add_bulk(connection: str, queue: str, jobs: Sequence[NewJob]) -> list[str]:
    """Ids in order. Raises the first error where nothing was added, else NotAllAdded with the ids of those that were.

    Jobs after the piece in which something failed are not tried.
    """
    on, k = wire(connection), keys(connection, queue)
    await _load(on, [script(name) for name in _SCRIPTS])
    ids: list[str | None] = []
    failure: TorilError | None = None
    under_way: Awaitable[list[Any]] | None = None
    # The next piece is prepared while Redis adds the last.
    for piece in [*_pieces(jobs), None]:
        asked = None if piece is None or failure else _started(on, list(add_jobs(k, piece)))
        if under_way is not None:
            found = _collect(ids, await under_way)
            failure = failure or found
        under_way = asked
    if failure is not None:
        if not any(ids):
            raise failure
        raise NotAllAdded([*ids, *[None] * (len(jobs) - len(ids))], failure) from failure
    return [job_id for job_id in ids if job_id is not None]


def _started(on: Wire, asked: list[Command[str]]) -> Awaitable[list[Any]]:
    answers = _answers(on, asked)
    try:
        return asyncio.get_running_loop().create_task(answers)
    except RuntimeError:
        return answers


async def _answers(on: Wire, asked: list[Command[str]]) -> list[Any]:
    try:
        return await on.run(asked, return_errors=True)
    except TorilError as error:
        return [error] * len(asked)


def _collect(ids: list[str | None], answers: list[Any]) -> TorilError | None:
    ids.extend(None if isinstance(answer, TorilError) else answer for answer in answers)
    return next((answer for answer in answers if isinstance(answer, TorilError)), None)


async def _load(on: Wire, scripts: Sequence[Script]) -> None:
    """Hundreds of jobs under way, each answered that the script is not known, would each send its source."""
    held = await on.call(command("SCRIPT", "EXISTS", *(one.sha for one in scripts)))
    missing = [one for one, is_held in zip(scripts, held, strict=True) if not is_held]
    await on.run([command("SCRIPT", "LOAD", one.source) for one in missing])


def _pieces(jobs: Sequence[NewJob]) -> Iterator[list[NewJob]]:
    piece: list[NewJob] = []
    characters = 0
    for job in jobs:
        piece.append(job)
        characters += len(job.data)
        if len(piece) >= CHUNK_JOBS or characters >= CHUNK_CHARACTERS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece
