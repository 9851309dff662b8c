"""A handle on one job: where it is, how it ended, and what may be done with it."""

from __future__ import annotations

from queues.producer.door import SyncDoor


class JobHandle:
    """What was added, or found. Where the id existed already, it stands for the job that was there."""

    __slots__ = ("connection", "id", "name", "queue")

    def __init__(self, connection: str, queue: str, job_id: str, name: str = "") -> None:
        self.connection, self.queue, self.id, self.name = connection, queue, job_id, name

    @property
    def sync(self) -> SyncDoor:
        """The same for code without an event loop."""
        return SyncDoor(self)

    def __repr__(self) -> str:
        return f"<job {self.id} of {self.queue}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobHandle) and self._address == other._address

    def __hash__(self) -> int:
        return hash(self._address)

    @property
    def _address(self) -> tuple[str, str, str]:
        return self.connection, self.queue, self.id
