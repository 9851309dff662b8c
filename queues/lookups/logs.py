"""A job's log by windows: its end, what came since, what was before, and the lines that hold a text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from queues.lookups import local
from queues.lookups.excerpt import LINE_SHOWN, excerpt
from queues.models.local import is_in_process
from queues.protocol import reads

#: Lines of one window, and of one reading.
WINDOW, CHUNK = 200, 500
#: Beyond this nobody reads, searches or downloads; what is older is left out, and said to be.
MOST_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts from 1, the oldest line that Redis still has."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class LogWindow:
    """Lines oldest first, of `total`. `searched`: in how many of them a text was looked for, 0 where in none."""

    lines: list[Line]
    total: int
    searched: int = 0
    found: int = 0

    @property
    def first(self) -> int:
        return self.lines[0].number if self.lines else 1

    @property
    def last(self) -> int:
        return self.lines[-1].number if self.lines else 0


async def log_end(connection: str, queue: str, job_id: str, count: int = WINDOW) -> LogWindow:
    lines, total = await _read(connection, queue, job_id, -count, count)
    return _window(lines, max(total - len(lines), 0) + 1, total)


async def log_after(connection: str, queue: str, job_id: str, number: int) -> LogWindow:
    """What came after this line: the end of it, where it is more than a window."""
    lines, total = await _read(connection, queue, job_id, -WINDOW, WINDOW)
    window = _window(lines, max(total - len(lines), 0) + 1, total)
    return LogWindow([line for line in window.lines if line.number > number], total)


async def log_before(connection: str, queue: str, job_id: str, number: int) -> LogWindow:
    start = max(number - 1 - CHUNK, 0)
    lines, total = await _read(connection, queue, job_id, start, max(number - 1 - start, 0))
    return _window(lines, start + 1, total)


async def log_from(connection: str, queue: str, job_id: str, number: int, count: int) -> LogWindow:
    """This line and what follows it, at most so many."""
    lines, total = await _read(connection, queue, job_id, number - 1, count)
    return _window(lines, number, total)


async def log_matching(connection: str, queue: str, job_id: str, wanted: str, shown: Callable[[str], str]) -> LogWindow:
    """The last lines that hold this text, whatever its case, as `shown` shows them: what is masked is not found."""
    wanted = wanted.casefold()
    matches: list[Line] = []
    found = searched = total = 0
    async for chunk, length in backwards(connection, queue, job_id):
        searched, total = searched + len(chunk), length
        for line in reversed(chunk):
            # Most lines are ruled out before they are masked; colours may stand within a word.
            may_hold = wanted in line.text.casefold() or "\x1b" in line.text
            if may_hold and wanted in shown(line.text).casefold():
                found += 1
                if len(matches) < CHUNK:
                    matches.append(line)
        await asyncio.sleep(0)
    return LogWindow(matches[::-1], total, searched, found)


async def backwards(connection: str, queue: str, job_id: str) -> AsyncIterator[tuple[list[Line], int]]:
    """Chunks from the end, each with its lines oldest first, and how many lines there were at first."""
    _, total = await _read(connection, queue, job_id, 0, 0)
    end = total
    while end > max(0, total - MOST_LINES):
        start = max(end - CHUNK, 0, total - MOST_LINES)
        lines, _ = await _read(connection, queue, job_id, start, end - start)
        if not lines:
            return
        yield _window(lines, start + 1, total).lines, total
        end = start


async def forwards(connection: str, queue: str, job_id: str) -> AsyncIterator[list[str]]:
    """Whole lines in chunks, oldest first; of a longer log its last MOST_LINES."""
    _, total = await _read(connection, queue, job_id, 0, 0)
    for start in range(max(0, total - MOST_LINES), total, CHUNK):
        lines, _ = await _read(connection, queue, job_id, start, min(CHUNK, total - start), None)
        yield lines


def _window(lines: list[str], first: int, total: int) -> LogWindow:
    return LogWindow([Line(first + at, line) for at, line in enumerate(lines)], total)


async def _read(
    connection: str, queue: str, job_id: str, start: int, count: int, longest: int | None = LINE_SHOWN
) -> tuple[list[str], int]:
    if is_in_process():
        return await local.log_range(queue, job_id, start, count, longest)
    found = await reads.job_logs(connection, queue, job_id, start, max(count, 1))
    lines = found.lines if count else []
    return [line if longest is None else excerpt(line, longest) for line in lines], found.total
