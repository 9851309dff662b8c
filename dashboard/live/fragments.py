"""The pieces of a page that are pushed, each drawn once for all viewers from the template that the page uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from dashboard.drawing import render_to_string
from dashboard.grants import Sight
from dashboard.pages.queue.rows import drawn
from queues.models import Job, Queue
from queues.states import LISTED

#: A message is cut between fragments here: daphne refuses to send more than it would accept.
FRAME_CHARS = 16_000
#: Longer than any fragment of names that are not absurd; one that daphne would refuse to send must not end the socket.
LARGEST_CHARS = 200_000
#: What a page shows of every queue.
PER_QUEUE = {"nav": "queue/nav_item.html", "overview": "queue/row.html"}
_ROOT_ID = re.compile(r'<[a-z]+ id="([A-Za-z][\w-]*)"', re.ASCII)


class Topic(NamedTuple):
    """What a viewer may look at: `nav` (all of them), `overview` or one `queue`, one `job`; `status` and `names`."""

    kind: str
    queue: str = ""
    job: str = ""

    def shows(self, queue: str) -> bool:
        """Whether this queue's figures are in it."""
        return self.kind in PER_QUEUE or (self.kind == "queue" and self.queue == queue)


STATUS, NAMES, NAV, OVERVIEW = Topic("status"), Topic("names"), Topic("nav"), Topic("overview")


@dataclass(frozen=True, slots=True)
class Fragment:
    """`id` is the element's own, so page and push cannot disagree about it; `html` is the whole element."""

    id: str
    html: str
    #: The queue that it is about.
    queue: str = ""

    def for_eyes(self, sight: Sight) -> Fragment | None:
        """What of it somebody is told who sees these queues only."""
        return self if not self.queue or sight.sees(self.queue) else None

    @property
    def partial(self) -> str:
        # Morphing keeps the elements that stay: focus, selection and what is under the pointer.
        return f'<hx-partial hx-target="#{self.id}" hx-swap="outerMorph">{self.html}</hx-partial>'


@dataclass(frozen=True, slots=True)
class Names(Fragment):
    """That queues came or went: only of those that one sees."""

    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def for_eyes(self, sight: Sight) -> Fragment | None:
        new, gone = (tuple(filter(sight.sees, names)) for names in (self.new, self.gone))
        return of_names(new, gone) if new or gone else None


@dataclass(frozen=True, slots=True)
class Status:
    """Whether the figures move. `as_of` is when the last ones were read, `reason` why there are no newer ones."""

    is_live: bool = True
    as_of: datetime | None = None
    reason: str = ""


def draw(template: str, **context: Any) -> Fragment:
    return fragment(template, render_to_string(template, context))


def fragment(template: str, html: str) -> Fragment:
    """Raises ValueError where it does not begin with an element's id, or with one that a selector cannot hold."""
    found = _ROOT_ID.match(html := html.strip())
    if found is None:
        raise ValueError(f"{template} must begin with an element and its id, of letters, digits, - and _ only")
    return Fragment(found[1], html)


def of_queue(topic: Topic, queue: Queue) -> list[Fragment]:
    """What this topic shows of a queue. Pages keep rows and navigation, and a push draws them for the pages too."""
    if topic.kind in PER_QUEUE:
        made = [fragment(PER_QUEUE[topic.kind], drawn(PER_QUEUE[topic.kind], queue))]
    else:
        made = [draw("queue/tab_count.html", queue=queue, state=state) for state in LISTED]
        made.append(draw("queue/facts.html", queue=queue))
    return [replace(each, queue=queue.name) for each in made]


def of_job(connection: str, topic: Topic) -> Fragment:
    """What makes a job's page fetch the job again."""
    job = Job(connection=connection, queue=topic.queue, job_id=topic.job)
    return replace(draw("job/moved.html", job=job), queue=topic.queue)


def of_status(status: Status) -> Fragment:
    return draw("live/status.html", status=status)


def of_names(new: Sequence[str], gone: Sequence[str]) -> Fragment:
    """That the list of queues is another one than the page's."""
    drawn_for_all = draw("live/names.html", new=new, gone=gone)
    return Names(drawn_for_all.id, drawn_for_all.html, "", tuple(new), tuple(gone))


def frames(fragments: Iterable[Fragment], sight: Sight | None = None) -> list[str]:
    """As few messages as carry them all, for whoever sees these queues only (None: every queue)."""
    told = fragments if sight is None else [found for each in fragments if (found := each.for_eyes(sight))]
    return list(_packed(each.partial for each in told if len(each.html) <= LARGEST_CHARS))


def _packed(partials: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for partial in partials:
        if held and size + len(partial) > FRAME_CHARS:
            yield "".join(held)
            held, size = [], 0
        held.append(partial)
        size += len(partial)
    if held:
        yield "".join(held)
