"""Runs after which a job was put back, as events told them: how a row keeps them. Pure.

The end is the event's own moment, so what is told again is the same run; its start may not be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from queues.protocol.attempts import CLOCKS_MS
from queues.protocol.codec import LARGEST, parse_json, to_json

#: Of more the oldest are forgotten.
MOST = 30


class ToldRun(NamedTuple):
    """`started_ms` None where no event told it. `was_final`: with it the job had failed, and a person put it back; then
    the moments may be by the worker's clock.
    """

    started_ms: int | None
    ended_ms: int
    was_final: bool = False


def read(stored: str) -> list[ToldRun]:
    """Oldest first. Never raises."""
    found = parse_json(stored) if stored else None
    runs = [run for each in found if (run := _run(each)) is not None] if isinstance(found, list) else []
    return sorted(runs, key=lambda run: run.ended_ms)


def joined(stored: str, runs: Sequence[ToldRun], started_ms: Iterable[int | None] = ()) -> str:
    """With these too. `started_ms`: starts that the job's hash told; a run whose start no event told has one of them,
    or nobody can say that it was a run at all (`delayed` is also told of a job that is put off).
    """
    if not runs:
        return stored
    known = {run.ended_ms: run for run in read(stored)}
    starts = [start for start in started_ms if start is not None]
    for run in runs:
        if run.was_final and any(_is_same(run, other) for other in known.values()):
            continue
        if run.started_ms is not None:
            known[run.ended_ms] = run
        elif run.ended_ms not in known and (begun := _begun(run.ended_ms, starts, known)) is not None:
            known[run.ended_ms] = run._replace(started_ms=begun)
    return to_json([[*known[end][:2], *([1] if known[end].was_final else [])] for end in sorted(known)[-MOST:]])


def _is_same(run: ToldRun, other: ToldRun) -> bool:
    """Told by Redis's clock and by a worker's."""
    if not other.was_final or abs(other.ended_ms - run.ended_ms) > CLOCKS_MS:
        return False
    return None in (run.started_ms, other.started_ms) or abs(run[0] - other[0]) <= CLOCKS_MS  # type: ignore[operator]


def _begun(end: int, starts: Iterable[int], known: Iterable[int]) -> int | None:
    """The start that goes with this end: the last before it, unless that run has ended already."""
    begun = max((start for start in starts if start <= end + CLOCKS_MS), default=None)
    return None if begun is None or any(begun < other for other in known) else begun


def _run(told: object) -> ToldRun | None:
    if not isinstance(told, list) or len(told) not in (2, 3):
        return None
    start, end = told[:2]
    if not _is_moment(end) or not (start is None or _is_moment(start)):
        return None
    return ToldRun(start, end, len(told) == 3)


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST
