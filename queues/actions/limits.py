"""What holds for all workers of a queue together: how many jobs at once, how many per time, and a pause by hand."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from queues.actions import undo
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.actions.looking import refuse_in_process
from queues.errors import InvalidInput, QueueNotFound, Refused
from queues.options import Limiter
from queues.protocol import reads, selection, steering
from queues.protocol.codec import QueueFacts

MOST_AT_ONCE, MOST_PER_WINDOW, LONGEST_WINDOW_MS = 1_000_000, 1_000_000_000, 366 * 86_400_000


async def set_limits(
    actor: Actor, connection: str, queue: str, concurrency: int | None, limiter: Limiter | None
) -> Done:
    """Both as they shall be from now on; None for none. Raises QueueNotFound: a limit must not create a queue."""
    refuse_in_process(_("Limits over all workers"))
    _check(concurrency, limiter)
    deed = Deed(actor, "queue.limits", connection, queue)

    async def act() -> Done:
        facts = await _facts(connection, queue)
        before, after = _of(facts), [concurrency, *((limiter.max, limiter.duration_ms) if limiter else (None, None))]
        deed.parameters.update(before=_named(before), after=_named(after))
        if before == after:
            return Done(_("The limits of queue “%(queue)s” were so already.") % {"queue": queue}, affected=0)
        if concurrency != before[0]:
            await steering.set_concurrency(connection, queue, concurrency)
        if after[1:] != before[1:]:
            await steering.set_rate_limit(connection, queue, limiter)
        back = await undo.offer(connection, "queue.limits", queue, "", "limits", before=before, after=after)
        return Done(_("Queue “%(queue)s” %(said)s.") % {"queue": queue, "said": _said(concurrency, limiter)}, undo=back)

    return await record(deed, act, of_done)


async def release_hold(actor: Actor, connection: str, queue: str) -> Done:
    """End a rate limit that was set by hand or is used up just now: workers start jobs at once."""
    refuse_in_process(_("A rate limit"))
    deed = Deed(actor, "queue.limits", connection, queue, parameters={"release": True})

    async def act() -> Done:
        facts = await _facts(connection, queue)
        if facts.rate_limited_ms <= 0:
            raise Refused(_("Queue “%(queue)s” is not held back by a rate limit now.") % {"queue": queue})
        deed.parameters["before"] = {"limited_ms": facts.rate_limited_ms}
        await steering.hold(connection, queue, 0)
        return Done(_("Queue “%(queue)s” was released: jobs start at once. This cannot be undone.") % {"queue": queue})

    return await record(deed, act, of_done)


async def _facts(connection: str, queue: str) -> QueueFacts:
    if not all(await selection.queues_exist(connection, [queue])):
        raise QueueNotFound(queue)
    return (await reads.queue_facts(connection, [queue]))[0]


def _of(facts: QueueFacts) -> list[int | None]:
    return [facts.concurrency, facts.rate_limit_max, facts.rate_limit_duration_ms]


def _named(values: list[int | None]) -> dict[str, Any]:
    return dict(zip(("concurrency", "max", "duration_ms"), values, strict=True))


def _check(concurrency: int | None, limiter: Limiter | None) -> None:
    if concurrency is not None and not 1 <= concurrency <= MOST_AT_ONCE:
        raise InvalidInput(
            _("How many run at once must be a whole number from 1 to %(most_at_once)s, or nothing.")
            % {"most_at_once": f"{MOST_AT_ONCE:,}"}
        )
    if limiter is None:
        return
    if not (1 <= limiter.max <= MOST_PER_WINDOW and 1 <= limiter.duration_ms <= LONGEST_WINDOW_MS):
        raise InvalidInput(
            _("A rate limit needs a number of jobs and a time, both above 0, and the time below a year.")
        )


def _said(concurrency: int | None, limiter: Limiter | None) -> str:
    at_once = f"runs at most {concurrency:,} jobs at once" if concurrency else "runs as many jobs as its workers take"
    if limiter is None:
        return f"{at_once}, without a rate limit"
    return f"{at_once}, and starts at most {limiter.max:,} per {limiter.duration_ms / 1000:g} s"
