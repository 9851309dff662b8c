"""What the engines of a worker share: its name, its wire, its locks, and where its processors run."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from queues.protocol.wire import Wire
from queues.runs.executors import Executors
from queues.worker.leases import Leases
from queues.worker.outage import Outage
from queues.worker.recorder import Recorder


@dataclass(frozen=True)
class Means:
    """What the engines of a worker share."""

    connection: str
    name: str
    #: What all its lock tokens begin with.
    id: str
    wire: Wire
    leases: Leases
    executors: Executors
    outage: Outage
    recorder: Recorder
    _numbers: Any = field(default_factory=itertools.count)

    def token(self) -> str:
        """A lock's content; new for each fetch, so that a lost answer's jobs can be told from others."""
        return f"{self.id}:{next(self._numbers)}"
