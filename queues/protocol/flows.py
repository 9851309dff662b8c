"""Flows: a parent that waits for its children, added with them in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from queues.protocol.adding import NewJob


@dataclass(frozen=True, slots=True)
class NewFlow:
    """A checked job with the jobs it waits for. Every job has its `id`; no job but the root has its `parent` set."""

    queue: str
    job: NewJob
    children: tuple[NewFlow, ...] = ()
