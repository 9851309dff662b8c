"""Counting and sampling what a target means: bounded, whatever its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queues.operations.kinds import checked
from queues.operations.preview import Preview, Sample
from queues.operations.target import Reach, Target


async def previewed(target: Target, action: str, reach: Reach, parameters: Mapping[str, Any] | None) -> Preview:
    kept = checked(action, target, parameters)
    samples = tuple(Sample(queue, job_id, "") for queue, job_id in target.ids[:5])
    return Preview(target, action, kept, len(target.ids), samples=samples)
