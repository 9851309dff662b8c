"""Runs after which a job was put back, as events told them: how a row keeps them. Pure.

The end is the event's own moment, so what is told again is the same run; its start may not be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from queues.protocol.codec import LARGEST, parse_json, to_json

#: Start, or None where no event told it, and end.
ToldRun = tuple[int | None, int]
#: Of more the oldest are forgotten.
MOST = 30
#: How far the clocks of workers may stand from Redis's.
CLOCKS_MS = 500


def read(stored: str) -> list[ToldRun]:
    """Oldest first. Never raises."""
    found = parse_json(stored) if stored else None
    runs = [run for each in found if (run := _run(each)) is not None] if isinstance(found, list) else []
    return sorted(runs, key=lambda run: run[1])


def joined(stored: str, runs: Sequence[ToldRun], started_ms: Iterable[int | None]) -> str:
    """With these too. `started_ms`: starts that the job's hash told; a run whose start no event told must be one of
    them, or nobody can say that it was a run at all (`delayed` is also told of a job that is put off).
    """
    if not runs:
        return stored
    known = {end: start for start, end in read(stored)}
    starts = [start for start in started_ms if start is not None]
    for start, end in runs:
        if start is not None:
            same = next((other for other in known if _is_same((start, end), (known[other], other))), end)
            known[same] = start
        elif end not in known and _is_end(end, starts, known):
            known[end] = None
    return to_json([[known[end], end] for end in sorted(known)[-MOST:]])


def _is_same(run: tuple[int, int], other: ToldRun) -> bool:
    """Told by Redis's clock and by a worker's."""
    start, end = other
    return abs(end - run[1]) <= CLOCKS_MS and (start is None or abs(start - run[0]) <= CLOCKS_MS)


def _is_end(end: int, starts: Iterable[int], known: Iterable[int]) -> bool:
    begun = max((start for start in starts if start <= end + CLOCKS_MS), default=None)
    return begun is not None and not any(begun < other for other in known)


def _run(told: object) -> ToldRun | None:
    if not isinstance(told, list) or len(told) != 2:
        return None
    start, end = told
    if not _is_moment(end) or not (start is None or _is_moment(start)):
        return None
    return start, end


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST
