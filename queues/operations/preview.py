"""What an operation would touch, before anything is touched: how many, how old, where, and whether it can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from queues.operations.target import Reach, Target


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the jobs meant. `name` is what its producer wrote, to be shown like any job's name."""

    queue: str
    job_id: str
    state: str
    name: str = ""
    timestamp_ms: int = 0
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """`count` jobs, or no fewer where `is_least`; what the operation freezes may differ by what happens until then.

    `oldest_ms` and `newest_ms`: when the oldest and the newest of those looked at was added, or ended; None: unknown.
    `why_not`: it cannot begin, in a sentence. `restorable`: what it removes can be brought back; else `why_lost` says
    why not. `warnings`: sentences that a person should read before consenting.
    """

    target: Target
    action: str
    parameters: Mapping[str, Any]
    count: int = 0
    is_least: bool = False
    oldest_ms: int | None = None
    newest_ms: int | None = None
    samples: tuple[Sample, ...] = ()
    #: Queue → how many of the jobs counted.
    queues: Mapping[str, int] = field(default_factory=dict)
    restorable: bool = False
    why_lost: str = ""
    why_not: str = ""
    warnings: tuple[str, ...] = ()


async def preview(
    target: Target, action: str, reach: Reach | None = None, parameters: Mapping[str, Any] | None = None
) -> Preview:
    """Changes nothing, and looks at a bounded number of jobs. Raises InvalidInput for what makes no sense,
    RedisUnavailable where nothing can be said.
    """
    from queues.operations.counting import previewed

    return await previewed(target, action, reach or Reach(), parameters)
