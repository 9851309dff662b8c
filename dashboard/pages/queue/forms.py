"""The forms that open on a queue's page: add a job, limits, obliterate."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.grants import Grants
from dashboard.pages.job import copying
from dashboard.pages.job.acts import UNITS
from dashboard.pages.job.options import OptionsForm
from dashboard.pages.listing.confirmation import require_name
from dashboard.request import Request
from queues.actions import limits, obliterating
from queues.actions.audit import Done
from queues.actions.obliterating import Obliterated
from queues.errors import InvalidInput, NotFound
from queues.models import Queue
from queues.options import Limiter


async def opened(request: Request, queue: Queue) -> dict[str, Any]:
    """The context of the form that the address names, `panel` its template. Raises NotFound, Forbidden."""
    name, grants = request.GET.get("form", ""), request.grants.on(queue.name)
    if name == "add":
        return await copying.opened_new(request, queue.connection, queue.name)
    if name == "limits":
        grants.require("queue.limits")
        return limits_form(queue)
    if name == "obliterate":
        grants.require("queue.obliterate")
        return {"panel": "queue/obliterate.html", "ruin": await obliterating.ruin(queue.connection, queue.name)}
    raise NotFound(_("There is no form “%(form)s”.") % {"form": name[:60]})


def limits_form(queue: Queue, warning: str = "") -> dict[str, Any]:
    span = OptionsForm.of({"delay_ms": queue.rate_limit_duration_ms}) if queue.rate_limit_duration_ms else OptionsForm()
    return {"panel": "queue/limits.html", "span": span, "warning": warning}


async def set_limits(grants: Grants, queue: Queue, form: QueryDict) -> Done:
    """Both limits as the form has them; an empty field is none. Raises InvalidInput, Forbidden."""
    grants.require("queue.limits")
    concurrency, most = _number(form, "concurrency"), _number(form, "max")
    amount, unit = _number(form, "amount"), UNITS.get(form.get("unit", ""), 0)
    limiter = Limiter(most, amount * unit) if most and amount else None
    if bool(most) != bool(limiter):
        raise InvalidInput(_("A rate limit needs a number of jobs and a time."))
    return await limits.set_limits(grants.actor, queue.connection, queue.name, concurrency, limiter)


async def release(grants: Grants, queue: Queue) -> Done:
    grants.require("queue.limits")
    return await limits.release_hold(grants.actor, queue.connection, queue.name)


async def obliterate(grants: Grants, queue: Queue, form: QueryDict) -> Obliterated:
    """Raises Forbidden, InvalidInput where the name is not typed, Refused while jobs are active and not forced."""
    grants.require("queue.obliterate")
    require_name(form, queue.name)
    force = form.get("force") == "1"
    return await obliterating.obliterate(grants.actor, queue.connection, queue.name, force=force)


async def again(request: Request, queue: Queue, done: Obliterated, force: bool) -> HttpResponse | None:
    """What is left, with the button to go on; None for a page without script, which asks anew."""
    if not wants_fragment(request):
        return None
    ruin = await obliterating.ruin(queue.connection, queue.name)
    context = {"queue": queue, "ruin": ruin, "done": done, "force": force}
    response = render(request, "queue/obliterate.html", context)
    response["HX-Retarget"], response["HX-Reswap"] = "#panel", "innerHTML"
    return response


def _number(form: QueryDict, name: str) -> int | None:
    given = (form.get(name) or "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise InvalidInput(_("“%(given)s” is no whole number.") % {"given": given[:40]})
    return int(given) or None
