"""Every key name BullMQ uses (PROTOCOL.md §1), built here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from queues.protocol.codec import raw, text
from queues.states import State

#: Suffixes that belong to the queue itself; a job id equal to one would ruin it (THREATS.md §0.1).
RESERVED_IDS = frozenset(
    "wait active paused delayed prioritized completed failed waiting-children stalled stalled-check events meta"
    " id marker limiter repeat pc de dn metrics".split()
)

#: state → its key's suffix, and whether that key is a list (else a sorted set).
STATE_KEYS: dict[State, tuple[str, bool]] = {
    State.WAITING: ("wait", True),
    State.ACTIVE: ("active", True),
    State.PRIORITIZED: ("prioritized", False),
    State.DELAYED: ("delayed", False),
    State.FAILED: ("failed", False),
    State.COMPLETED: ("completed", False),
    State.WAITING_CHILDREN: ("waiting-children", False),
}


@dataclass(frozen=True)
class Keys:
    """The keys of one queue. `queue` is text as `codec.text` made it; keys are the exact bytes."""

    prefix: str
    queue: str

    @cached_property
    def base(self) -> bytes:
        return raw(self.prefix) + b":" + raw(self.queue) + b":"

    @property
    def name(self) -> str:
        """What BullMQ calls the queue where it names another's: `bull:chat`."""
        return f"{self.prefix}:{self.queue}"

    def __call__(self, suffix: str) -> bytes:
        """`Keys("bull", "chat")("wait")` → `b"bull:chat:wait"`."""
        return self.base + suffix.encode()

    def state(self, state: State) -> bytes:
        return self(STATE_KEYS[state][0])

    def job(self, job_id: str) -> bytes:
        return self.base + raw(job_id)

    def lock(self, job_id: str) -> bytes:
        return self.job(job_id) + b":lock"

    def logs(self, job_id: str) -> bytes:
        return self.job(job_id) + b":logs"

    def dependencies(self, job_id: str) -> bytes:
        return self.job(job_id) + b":dependencies"

    def many(self, names: str) -> tuple[bytes, ...]:
        """`many("wait active")` → those keys, in that order."""
        return tuple(self(name) for name in names.split())


@dataclass(frozen=True)
class FleetKeys:
    """The worker processes' own keys under a prefix. Their queue's name is empty, so that no queue can collide; they
    have a hash tag, so that a Cluster keeps them together where the prefix has none.
    """

    prefix: str

    def __call__(self, name: str) -> bytes:
        return raw(self.prefix) + b"::{toril}:" + name.encode()

    @property
    def processes(self) -> bytes:
        """Sorted set: process id, when it last beat (ms)."""
        return self("processes")

    def process(self, process_id: str) -> bytes:
        """String: the heartbeat, JSON, expiring."""
        return self(f"process:{process_id}")

    @property
    def control(self) -> bytes:
        """Stream: what people ask of processes."""
        return self("control")

    def answer(self, request_id: str) -> bytes:
        """Hash: process id, what it answered to one such request; expiring."""
        return self(f"answer:{request_id}")

    def undo(self, token: str) -> bytes:
        """String: what an undo needs, msgpack, expiring."""
        return self(f"undo:{token}")


@dataclass(frozen=True)
class SampleKeys:
    """What workers record by the minute. Beside the fleet's keys, under the queue that cannot be."""

    prefix: str

    def __call__(self, name: str) -> bytes:
        return raw(self.prefix) + b"::{toril}:" + name.encode()

    def delivery(self, process_id: str) -> bytes:
        """String: the number of a process's last delivery, expiring."""
        return self(f"recorded:{process_id}")

    def minute(self, minute: int) -> bytes:
        """Hash: letter and queue, how many; expiring."""
        return self(f"minute:{minute}")

    def names(self, queue: str) -> bytes:
        """Sorted set: names of the queue's jobs, the minute in which one was last recorded; expiring."""
        return self("names:") + raw(queue)

    def totals(self, queue: str) -> bytes:
        """Hash: field, how much since it was first counted; expiring long after the last of it."""
        return self("totals:") + raw(queue)

    def figures(self, minute: int, queue: str, name: str) -> bytes:
        """Hash: figure, how many; expiring. No queue's name holds a colon, a job's may."""
        return self(f"figures:{minute}:") + raw(queue) + b":" + raw(name)


#: Suffix → Redis's type of the keys by which queues are found. BullMQ's have `meta`; Bull's, and those to which only a
#: flow of BullMQ 3 added, have but the counter of their ids.
FOUND_BY: dict[str, bytes] = {"meta": b"hash", "id": b"string"}


def pattern(prefix: str) -> bytes:
    """The SCAN pattern that finds these keys of every queue, and few others, in one walk; the prefix's glob characters
    escaped.
    """
    escaped = "".join(f"\\{c}" if c in "*?[]\\^-" else c for c in prefix)
    return f"{escaped}:*:[im][de]*".encode()


def queue_of(prefix: str, key: bytes) -> tuple[str, str] | None:
    """The queue's name from such a key, and its suffix; None for keys that only look alike (PROTOCOL.md §4)."""
    name, _, suffix = key[len(prefix.encode()) + 1 :].rpartition(b":")
    said = suffix.decode("latin-1")
    return (text(name), said) if name and b":" not in name and said in FOUND_BY else None
