"""How a job ended, for whoever waits for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one job: `value` is its result as JSON where it completed, else `reason` says why it failed."""

    is_failed: bool
    value: str = "null"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Children:
    """What became of a job's children, by `(queue, job id)`: `values` are JSON, `ignored` the reasons of failures that
    the job does not mind; `failed` and `pending` count the others.
    """

    values: dict[tuple[str, str], str]
    ignored: dict[tuple[str, str], str]
    failed: int = 0
    pending: int = 0
