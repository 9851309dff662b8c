"""When a job's attempts ran: as our workers note it beside each failure, for BullMQ itself keeps the last start alone.

One field of the job's hash, written in the same call as the failure; other libraries take no notice of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from queues.protocol import codec

FIELD = "toril:runs"
#: Of more attempts the oldest are forgotten.
MOST = 30
LONGEST_NAME = 200
#: How far the clocks of workers may stand from Redis's: what is so near is one moment.
CLOCKS_MS = 500


@dataclass(frozen=True, slots=True)
class Run:
    """Attempt `number`, 1 for the first, with its start and end in ms, None where not known. `worker` may be ""."""

    number: int
    started_ms: int | None = None
    ended_ms: int | None = None
    worker: str = ""


def read_runs(stored: str) -> list[Run]:
    """By number, oldest first; empty for what no worker of ours wrote. Never raises."""
    found = codec.parse_json(stored) if stored else None
    runs = [_run(one) for one in found[-MOST:]] if isinstance(found, list) else []
    return sorted((run for run in runs if run is not None), key=lambda run: run.number)


def runs_json(earlier: str, run: Run) -> str:
    """What to store after this attempt. What has its number or a later one is of an earlier life, and goes."""
    kept = [old for old in read_runs(earlier) if old.number < run.number]
    told = [[r.number, r.started_ms, r.ended_ms, r.worker[:LONGEST_NAME]] for r in (*kept, run)]
    return codec.to_json(told[-MOST:])


def _run(told: object) -> Run | None:
    if not isinstance(told, list) or len(told) != 4 or not isinstance(told[3], str):
        return None
    number, started, ended = (_whole(value) for value in told[:3])
    return None if number is None else Run(number, started, ended, told[3][:LONGEST_NAME])


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < codec.LARGEST:
        return None
    return value
