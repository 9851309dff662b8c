"""What each button of a job asks for: read from its form, required of the person, done. A table, one line an action."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard.grants import Grants
from dashboard.moments import now_ms
from dashboard.request import Request
from queues.actions import altering, jobs, workers
from queues.actions.actor import Actor
from queues.actions.adding import copy_elsewhere
from queues.actions.audit import Done
from queues.errors import InvalidInput
from queues.states import State

#: What a form may say of a length of time.
UNITS: Mapping[str, int] = {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Address:
    """`grants` are those on the job's queue, `site` the person's on all."""

    grants: Grants
    connection: str
    queue: str
    job_id: str
    site: Grants

    @classmethod
    def of(cls, request: Request, connection: str, queue: str, job_id: str) -> Address:
        return cls(request.grants.on(queue), connection, queue, job_id, request.grants)

    @property
    def actor(self) -> Actor:
        return self.grants.actor

    @property
    def job(self) -> tuple[Actor, str, str, str]:
        return self.actor, self.connection, self.queue, self.job_id


Act = Callable[[Address, QueryDict], Awaitable[Done]]


def span_ms(form: QueryDict, amount: str = "amount", unit: str = "unit") -> int:
    """A length of time as our forms write it. Raises InvalidInput."""
    given = (form.get(amount) or "").strip()
    size = UNITS.get(form.get(unit, ""))
    if not (given.isascii() and given.isdecimal() and len(given) < 10) or size is None:
        raise InvalidInput(_("Say how long as a whole number and a unit."))
    return int(given) * size


def moment_ms(given: str) -> int:
    """A moment as `datetime-local` writes it; the browser's zone was told by the script, else it is UTC."""
    try:
        at = datetime.fromisoformat(given.strip())
    except ValueError:
        raise InvalidInput(_("“%(given)s” is no moment.") % {"given": given[:40]}) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def whole_number(form: QueryDict, name: str, words: str) -> int:
    given = (form.get(name) or "").strip()
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise InvalidInput(words)
    return int(given)


async def _retry(at: Address, form: QueryDict) -> Done:
    delay_ms = span_ms(form) if form.get("amount") else 0
    closed = at.grants.refusal("job.retry-completed")
    return await jobs.retry_job(
        *at.job, reset_attempts=form.get("reset") == "1", delay_ms=delay_ms, refusal_of_completed=closed
    )


async def _elsewhere(at: Address, form: QueryDict) -> Done:
    target = form.get("target", "")
    at.site.require_sight(target)
    at.site.on(target).require("job.add")
    done = await copy_elsewhere(*at.job, target)
    return replace(done, state=State.UNKNOWN)


async def _reschedule(at: Address, form: QueryDict) -> Done:
    # The script tells the moment in UTC, as only the browser knows its zone; without it the field is UTC itself.
    told = form.get("at_utc") or form.get("at")
    due_ms = moment_ms(told) if told else now_ms() + span_ms(form)
    return await altering.reschedule_job(*at.job, due_ms)


async def _reprioritize(at: Address, form: QueryDict) -> Done:
    priority = whole_number(form, "priority", _("The priority is a whole number; 0 is none."))
    return await altering.reprioritize_job(*at.job, priority, lifo=form.get("first") == "1")


async def _fail(at: Address, form: QueryDict) -> Done:
    return await jobs.fail_job(*at.job, form.get("reason", "").strip())


async def _cancel(at: Address, form: QueryDict) -> Done:
    began = time.monotonic()
    done = await workers.cancel_job(*at.job, form.get("reason", "").strip(), form.get("again") == "1")
    took = _("It took effect %(span)s s after it was asked.") % {"span": f"{time.monotonic() - began:.1f}"}
    is_through = done.state is not State.ACTIVE
    return replace(done, message=f"{done.message} {took}" if is_through else done.message)


def _plain(act: Callable[[Actor, str, str, str], Awaitable[Done]]) -> Act:
    async def run(at: Address, form: QueryDict) -> Done:
        return await act(*at.job)

    return run


#: The address's `action` → what it needs to be allowed, and what does it.
ACTS: Mapping[str, tuple[str, Act]] = {
    "retry": ("job.retry", _retry),
    "elsewhere": ("job.retry", _elsewhere),
    "promote": ("job.promote", _plain(jobs.promote_job)),
    "remove": ("job.remove", _plain(jobs.remove_job)),
    "reschedule": ("job.reschedule", _reschedule),
    "reprioritize": ("job.reprioritize", _reprioritize),
    "fail": ("job.fail", _fail),
    "cancel": ("job.cancel", _cancel),
    "recover": ("job.recover", _plain(jobs.recover_job)),
    "remove-children": ("job.remove-children", _plain(jobs.remove_children)),
    "clear-logs": ("job.clear-logs", _plain(jobs.clear_logs)),
}


async def run(action: str, at: Address, form: QueryDict) -> Done:
    """Raises InvalidInput, Forbidden, Refused, NotFound."""
    needed, act = ACTS[action]
    at.grants.require(needed)
    return await act(at, form)
