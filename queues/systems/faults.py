"""Failures as real services cause them, dealt out by job id: the same job always meets the same fate.

They meet made-up jobs alone: what a person or a program asked a sample for is done.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from queues.errors import UnrecoverableError

#: The field by which a job's data says that nobody asked for it.
MADE_UP = "isMadeUp"
#: Of 1,000 made-up jobs: so many fail every configured attempt, and so many more fail the first attempt only.
FAILING = 40
STUMBLING = 100


class HTTPError(Exception):
    """An outside service answered with an error status."""

    def __init__(self, status: int, phrase: str, host: str) -> None:
        super().__init__(f"HTTP {status} {phrase} from {host}")
        self.status = status


class ValidationError(UnrecoverableError):
    """The job's data can never be worked on: no retry helps."""


def too_many_requests(host: str) -> HTTPError:
    return HTTPError(429, "Too Many Requests", host)


def share(*parts: object) -> float:
    """A number from 0 up to 1 that is always the same for the same parts."""
    return crc32("/".join(map(str, parts)).encode("utf-8", "surrogatepass")) / 2**32


def is_made_up(data: Any) -> bool:
    """Whether nobody asked for the job with this data."""
    return isinstance(data, dict) and bool(data.get(MADE_UP))


def is_struck(job: Any) -> bool:
    """Whether this attempt fails. After its last attempt a job works, so that an operator's retry is rewarded."""
    if not is_made_up(job.data):
        return False
    fate = share(job.queue, job.id) * 1_000
    return bool(fate < FAILING and job.attempt <= job.attempts) or bool(
        FAILING <= fate < FAILING + STUMBLING and job.attempt == 1
    )


def strike(job: Any, *causes: Exception) -> None:
    """Raise one of `causes`, chosen by the job's id, where it is this attempt's fate to fail.

    A ValidationError is for good, so only jobs that fail every attempt meet one.
    """
    if not is_struck(job):
        return
    stumbles = share(job.queue, job.id) * 1_000 >= FAILING
    fitting = [cause for cause in causes if not (stumbles and isinstance(cause, ValidationError))]
    raise fitting[int(share(job.id, "cause", job.queue) * len(fitting))]
