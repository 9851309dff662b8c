"""What a program may do with a whole queue: count, pause, empty, limit it, and give its deduplication ids free."""

from __future__ import annotations

from dataclasses import dataclass

from queues.errors import InvalidInput
from queues.options import Limiter
from queues.producer.carrier import carrier
from queues.producer.checks import known_id, whole
from queues.states import BULK_ACTIONS, LISTED, State, parse_state


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for all workers of a queue together; None where nothing does."""

    concurrency: int | None
    rate_limit: Limiter | None


def state_of(given: State | str) -> State:
    state = parse_state(str(given))
    if state is None:
        raise InvalidInput(f"state must be one of {', '.join(one.value for one in LISTED)}, not {given!r}.")
    return state


@dataclass(frozen=True, slots=True)
class Steering:
    """A queue's name and connection, with what needs no more than these."""

    name: str
    connection: str = "default"

    async def counts(self) -> dict[State, int]:
        """How many jobs are in each state, at one moment."""
        facts = await carrier().facts(self.connection, self.name)
        return {state: facts.counts.get(state.value, 0) for state in LISTED}

    async def is_paused(self) -> bool:
        return (await carrier().facts(self.connection, self.name)).is_paused

    async def pause(self) -> None:
        """Workers start nothing more; what runs, runs on."""
        await carrier().pause(self.connection, self.name)

    async def resume(self) -> None:
        await carrier().resume(self.connection, self.name)

    async def drain(self, *, delayed: bool = False) -> None:
        """Remove what waits, and with `delayed` also what waits for its time; runs of schedulers stay."""
        await carrier().drain(self.connection, self.name, delayed)

    async def clean(
        self,
        state: State | str | int = State.COMPLETED,
        limit: int = 0,
        of: State | str = State.COMPLETED,
        *,
        older_than_ms: int = 0,
    ) -> list[str]:
        """Remove jobs of a state that ended, or were added, longer ago, at most `limit` (0: all); their ids.

        Also as BullMQ has it: `clean(older_than_ms, limit, state)`. Runs of schedulers stay, and active jobs whose
        worker holds their lock.
        """
        if isinstance(state, int):
            older_than_ms, state = state, of
        found = state_of(state)
        if found not in BULK_ACTIONS["clean"]:
            raise InvalidInput(f"Jobs that are {found.value} cannot be cleaned.")
        age, most = whole(0)("older_than_ms", older_than_ms), whole(0)("limit", limit)
        return await carrier().clean(self.connection, self.name, found, age, most)

    async def obliterate(self, *, force: bool = False) -> None:
        """Remove the queue and all in it, in small steps. Raises Refused where jobs are active, unless `force`."""
        await carrier().obliterate(self.connection, self.name, force)

    async def remove(self, job_id: str, *, remove_children: bool = True) -> None:
        """Remove a job. Raises JobNotFound, JobLocked while it runs, or Refused for a scheduler's next run."""
        await carrier().remove(self.connection, self.name, known_id(job_id), remove_children)

    # --- limits for all workers of the queue together

    async def limits(self) -> Limits:
        facts = await carrier().facts(self.connection, self.name)
        most, duration_ms = facts.rate_limit_max, facts.rate_limit_duration_ms
        return Limits(facts.concurrency, Limiter(most, duration_ms) if most and duration_ms else None)

    async def set_concurrency(self, most: int | None) -> None:
        """At most so many jobs run at once, however many workers there are; None lifts the limit."""
        checked = None if most is None else whole(1)("most", most)
        await carrier().set_concurrency(self.connection, self.name, checked)

    async def set_rate_limit(self, most: int, duration_ms: int) -> None:
        """At most so many jobs are started in each window of `duration_ms`."""
        limiter = Limiter(whole(1)("most", most), whole(1)("duration_ms", duration_ms))
        await carrier().set_rate_limit(self.connection, self.name, limiter)

    async def remove_rate_limit(self) -> None:
        await carrier().set_rate_limit(self.connection, self.name, None)

    async def hold(self, duration_ms: int) -> None:
        """Let workers start nothing for so long, if they have a rate limit or the queue has one; 0 ends it."""
        await carrier().hold(self.connection, self.name, whole(0)("duration_ms", duration_ms))

    # --- deduplication

    async def deduplicated(self, deduplication_id: str) -> str | None:
        """The id of the job that holds a deduplication id."""
        return await carrier().deduplicated(self.connection, self.name, deduplication_id)

    async def remove_deduplication(self, deduplication_id: str, *, job_id: str | None = None) -> bool:
        """Give it free, so that the next job is added (`job_id`: only where that job holds it). Whether it was held."""
        return await carrier().remove_deduplication(self.connection, self.name, deduplication_id, job_id)
