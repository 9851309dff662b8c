"""Many events become the few jobs whose final state must be read, with what only the events know of them. Pure.

Events are hints: a job that is still in Redis is read there. But one that is removed as it ends has no hash when its
`completed` arrives, and its id may have come back since; so the events of an id are kept apart by life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from queues.mirror.told_runs import ToldRun
from queues.protocol import codec
from queues.protocol.events import Event, position
from queues.protocol.reads.bulk import whole_characters
from queues.states import State

#: Events that say where a job is now.
STATES = {
    "added": State.WAITING,
    "waiting": State.WAITING,
    "active": State.ACTIVE,
    "delayed": State.DELAYED,
    "waiting-children": State.WAITING_CHILDREN,
    "stalled": State.WAITING,
    "completed": State.COMPLETED,
    "failed": State.FAILED,
}
LATEST_MS = 253_402_300_799_000
#: Those that put a job back which was active, or had failed.
BACK = ("waiting", "delayed", "waiting-children")
FINISHED = (b"completed", b"failed")
RESULTS = {"completed": b"returnvalue", "failed": b"failedReason"}


@dataclass(slots=True)
class Life:
    """One incarnation of a job id, as far as events tell. Times are Redis's, in milliseconds; None for not seen."""

    first_ms: int
    added_ms: int | None = None
    name: str = ""
    state: State | None = None
    active_ms: int | None = None
    final_ms: int | None = None
    result: str = ""
    is_cut: bool = False
    attempts_made: int | None = None
    removed_ms: int | None = None
    #: It begins where a finished job was put back.
    is_retry: bool = False
    #: Starts and ends of the runs after which it was put back; None for a start before these events.
    runs: tuple[ToldRun, ...] = ()

    @property
    def final(self) -> State | None:
        return self.state if self.final_ms is not None else None

    @property
    def ended_ms(self) -> int | None:
        return self.removed_ms or self.final_ms


@dataclass(slots=True)
class Fold:
    """What some events of one queue come to: `lives` per job id, oldest first, up to and with `cursor`."""

    cursor: str = ""
    lives: dict[str, list[Life]] = field(default_factory=dict)

    @property
    def last_ms(self) -> int:
        return moment_ms(self.cursor)


def fold(events: Iterable[Event], limit: int) -> Fold:
    """Events of one queue, in order. Texts over `limit` bytes are cut."""
    result = Fold()
    for event in events:
        result.cursor = event.id
        if event.job_id:
            _add(result.lives.setdefault(event.job_id, []), event, limit)
        if other := event.fields.get(b"deduplicatedJobId"):
            # It was refused or replaced: its hash tells which, if it has one.
            result.lives.setdefault(codec.text(other), [])
    return result


def moment_ms(event_id: str) -> int:
    """When it was written; of an id made by hand no more than a date can be."""
    return min(position(event_id)[0], LATEST_MS)


def _add(lives: list[Life], event: Event, limit: int) -> None:
    at_ms = moment_ms(event.id)
    if not lives or event.type == "added" or (lives[-1].removed_ms and event.type in STATES):
        lives.append(Life(at_ms))
    life = lives[-1]
    if life.state is None:
        # `removed` says too where the job was; it puts nothing back.
        life.is_retry = event.type in STATES and event.fields.get(b"prev") in FINISHED
    if event.type == "added":
        life.added_ms, life.name = at_ms, codec.text(event.fields.get(b"name", b""))
    elif event.type == "removed":
        life.removed_ms = at_ms
    elif event.type == "retries-exhausted":
        number, problem = codec.integer("", event.fields.get(b"attemptsMade", b""))
        life.attempts_made = None if problem else number
    if state := STATES.get(event.type):
        _move(life, state, at_ms, event, limit)


def _move(life: Life, state: State, at_ms: int, event: Event, limit: int) -> None:
    if event.type in BACK:
        _end_run(life, at_ms, event)
    elif event.type == "stalled" and life.runs:
        # Told after its `waiting`: a run that was lost with its worker is no attempt.
        life.runs = life.runs[:-1]
    life.state = state
    # A job that ended and was retried has not ended.
    life.final_ms, life.result = None, ""
    if state is State.ACTIVE:
        life.active_ms = at_ms
    if said := RESULTS.get(event.type):
        life.final_ms = at_ms
        value = event.fields.get(said, b"")
        life.is_cut = len(value) > limit
        life.result = codec.text(whole_characters(value[:limit]) if life.is_cut else value)


def _end_run(life: Life, at_ms: int, event: Event) -> None:
    if life.state is State.ACTIVE:
        life.runs += (ToldRun(life.active_ms, at_ms),)
    elif life.state is State.FAILED and life.final_ms is not None:
        life.runs += (ToldRun(life.active_ms, life.final_ms, was_final=True),)
    elif life.state is None and event.fields.get(b"prev", b"active") == b"active":
        # `delayed` does not say from where: the row does.
        life.runs += (ToldRun(None, at_ms),)


def slices(events: Sequence[Event], most: int) -> Iterator[list[Event]]:
    """The same events in order, cut so that each part names at most `most` jobs."""
    part: list[Event] = []
    ids: set[str] = set()
    for event in events:
        if event.job_id not in ids and len(ids) >= most:
            yield part
            part, ids = [], set()
        part.append(event)
        ids.add(event.job_id)
    if part:
        yield part
