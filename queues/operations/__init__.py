"""Bulk work that can be trusted: counted and shown first, frozen, paced, resumed after a crash, and undone.

`preview` → `begin` → the mirror's leader runs it (`queues.mirror.operations`) → `pause`, `resume`, `cancel`, `restore`.
Nothing runs where no mirror leads, or where jobs run in process: `begin` raises Refused there in the latter case.
"""

from queues.operations.kinds import ACTIONS, Action, action_of, needed_elsewhere, needed_for
from queues.operations.previewing import Preview, Sample, preview
from queues.operations.steering import begin, cancel, pause, repeat, restore, resume
from queues.operations.target import Kind, Reach, Target

__all__ = [
    "ACTIONS",
    "Action",
    "Kind",
    "Preview",
    "Reach",
    "Sample",
    "Target",
    "action_of",
    "begin",
    "cancel",
    "needed_elsewhere",
    "needed_for",
    "pause",
    "preview",
    "repeat",
    "restore",
    "resume",
]
