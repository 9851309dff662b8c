"""What a test sees of the jobs that were added while nothing, or the test itself, ran them."""

from __future__ import annotations

from collections.abc import Iterator

from queues.states import State
from queues.testing.carriers import InlineCarrier, MemoryCarrier
from queues.testing.shelf import CapturedJob


class CapturedJobs:
    """The jobs in the order in which they were added: iterate, index, count them."""

    def __init__(self, carrier: MemoryCarrier) -> None:
        self._carrier = carrier

    def __iter__(self) -> Iterator[CapturedJob]:
        return iter(self._carrier.shelf)

    def __len__(self) -> int:
        return len(self.of())

    def __getitem__(self, index: int) -> CapturedJob:
        return self.of()[index]

    def __repr__(self) -> str:
        return f"<{len(self)} jobs: {', '.join(f'{job.queue} “{job.name}” ({job.state})' for job in self) or '-'}>"

    def of(self, queue: str | None = None, name: str | None = None) -> list[CapturedJob]:
        """Those of a queue, or of a name, or of both."""
        return [job for job in self if queue in (None, job.queue) and name in (None, job.name)]

    def one(self, queue: str | None = None, name: str | None = None) -> CapturedJob:
        """The only one of a queue and a name. Raises AssertionError where there is none, or more than one."""
        found = self.of(queue, name)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} jobs of queue {queue or '*'} are called {name or '*'}; all are {self}")
        return found[0]

    def clear(self) -> None:
        """Forget them all."""
        self._carrier.shelf.clear()


class InlineJobs(CapturedJobs):
    """The jobs that ran as they were added. `raises = False` lets them fail as they would with a worker: silently for
    whoever added them, with a reason in the job.
    """

    def __init__(self, carrier: InlineCarrier) -> None:
        super().__init__(carrier)
        self._inline = carrier

    @property
    def raises(self) -> bool:
        return self._inline.raises

    @raises.setter
    def raises(self, value: bool) -> None:
        self._inline.raises = value

    @property
    def failed(self) -> list[CapturedJob]:
        return [job for job in self if job.state is State.FAILED]
