"""Which queues a worker process takes, and with what options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from queues.errors import ConfigurationError
from queues.options import Options
from queues.processors import Registry
from queues.worker.engine import QueuePlan


def make_plans(
    registry: Registry, options: Options, queues: Sequence[str] = (), concurrency: int | None = None
) -> list[QueuePlan]:
    """All queues that have a processor, or those named. Raises ConfigurationError where there is nothing to run."""
    known = registry.queues()
    if not known:
        raise ConfigurationError(
            "There is no processor: write functions with @processor(…) in jobs.py of an installed app."
        )
    if unknown := sorted(set(queues) - set(known)):
        raise ConfigurationError(f"Queue “{unknown[0]}” has no processor; these have: {', '.join(known)}.")
    return [_plan(name, registry, options, concurrency) for name in known if not queues or name in queues]


def _plan(name: str, registry: Registry, options: Options, concurrency: int | None) -> QueuePlan:
    own = options.queue(name)
    return QueuePlan(name, registry.of(name), own if concurrency is None else replace(own, concurrency=concurrency))
