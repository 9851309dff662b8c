"""What a watcher and the registry know of somebody who looks: where, since when, and how to reach them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import parse_qs

from dashboard.grants import Grants, Sight
from dashboard.live.codes import Close
from dashboard.live.fragments import NAMES, NAV, OVERVIEW, STATUS, Topic
from queues.models import Job
from queues.protocol.reads.marks import JobMark

#: Clocks of two web hosts may differ by this much, so what changed shortly before is sent again.
SKEW_S = 2.0
#: A page connects within this time of being drawn; what comes later is a reconnect, and has missed something.
FRESH_S = 10.0
#: No name is longer in the tables, so none is on a page.
LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page is: `since` is when its figures were read (epoch seconds), `seen` how far its job was."""

    connection: str = "default"
    queue: str = ""
    job: str = ""
    since: float = 0.0
    seen: str = ""
    #: Told no more often than this, where a browser wants it slower; 0 for at once.
    every_s: float = 0.0

    @classmethod
    def of(cls, query: bytes) -> Place:
        """From the socket's address. What is missing or odd only means that more is sent than needed."""
        asked: dict[str, list[str]] = {}
        with suppress(ValueError):
            asked = parse_qs(query.decode("ascii", "replace"), max_num_fields=20)

        def said(name: str) -> str:
            return asked.get(name, [""])[0][:LONGEST_NAME]

        since = said("since")
        return cls(
            said("connection") or "default",
            said("queue"),
            said("job"),
            int(since) / 1000 if since.isascii() and since.isdecimal() and len(since) < 16 else 0.0,
            said("seen"),
            float(every) if (every := said("every")).isascii() and every.isdecimal() and len(every) < 5 else 0.0,
        )

    def within(self, sight: Sight | None) -> Place:
        """The same for somebody who sees only so much: of a queue that is not seen nothing is asked."""
        return self if sight is None or sight.sees(self.queue) else replace(self, queue="", job="")

    @property
    def topics(self) -> frozenset[Topic]:
        own = {Topic("queue", self.queue)} if self.queue else {OVERVIEW}
        job = {self.job_topic} if self.job_topic else set()
        return frozenset({STATUS, NAMES, NAV} | own | job)

    @property
    def job_topic(self) -> Topic | None:
        return Topic("job", self.queue, self.job) if self.queue and self.job else None


def seen(job: JobMark | Job) -> str:
    """How far a job is, for the socket's address."""
    return f"{job.attempts_started}.{job.attempts_made}.{job.processed_on_ms or 0}.{job.finished_on_ms or 0}"


class Viewer(Protocol):
    """Somebody who looks. None of its methods waits."""

    place: Place
    session_key: str
    topics: frozenset[Topic]
    #: Which queues it may be told of; None: all.
    sight: Sight | None
    #: When it fell behind (epoch seconds); None while it takes what it is sent.
    behind_since: float | None

    def offer(self, frames: list[str]) -> None:
        """Send these in order, or fall behind."""

    def look(self) -> None:
        """Each second: notice a reader that has stopped, and one that reads again."""

    def rescope(self, grants: Grants) -> None:
        """What this person may see, asked anew: be told of more from now on, or be cut where it is less."""

    def dismiss(self, code: Close) -> None:
        """Close the socket."""
