"""The forms that open on a job's page: what each shows, and what one must be allowed to open it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard.pages.job import copying, editing
from dashboard.pages.job.acts import Address
from dashboard.request import Request
from queues.actions import workers
from queues.errors import InvalidInput, NotFound
from queues.lookups.editable import editable
from queues.lookups.snapshot import snapshot

Form = Callable[[Address, QueryDict], Awaitable[dict[str, Any]]]
#: Names of queues that are suggested.
MOST_SUGGESTED = 200


async def opened(request: Request, connection: str, queue: str, job_id: str) -> dict[str, Any]:
    """The context of the form that the address names, `panel` its template. Raises NotFound, Forbidden, …"""
    name = request.GET.get("form", "")
    if name not in FORMS:
        raise NotFound(_("There is no form “%(form)s”.") % {"form": name[:60]})
    needed, form = FORMS[name]
    at = Address.of(request, connection, queue, job_id)
    at.grants.require(needed)
    return await form(at, request.GET)


async def revealed(at: Address, name: str) -> dict[str, Any]:
    """The same with what is masked shown: recorded before, and so never by GET. Raises Forbidden, InvalidInput, …"""
    at.grants.require("job.reveal")
    if name == "edit":
        return await editing.opened(at, QueryDict(), reveals=True)
    if name == "duplicate":
        return await copying.opened(at, QueryDict(), reveals=True)
    raise InvalidInput(_("There is no form “%(form)s”.") % {"form": name[:60]})


async def _facts(at: Address, template: str, **more: Any) -> dict[str, Any]:
    return {"panel": template, "found": await editable(at.connection, at.queue, at.job_id), **more}


async def _reschedule(at: Address, query: QueryDict) -> dict[str, Any]:
    return await _facts(at, "acting/reschedule.html")


async def _reprioritize(at: Address, query: QueryDict) -> dict[str, Any]:
    return await _facts(at, "acting/reprioritize.html")


async def _fail(at: Address, query: QueryDict) -> dict[str, Any]:
    return await _facts(at, "acting/fail.html")


async def _cancel(at: Address, query: QueryDict) -> dict[str, Any]:
    why_not = await workers.why_not_cancelled(at.connection, at.queue, at.job_id)
    return await _facts(at, "acting/cancel.html", why_not=why_not)


async def _elsewhere(at: Address, query: QueryDict) -> dict[str, Any]:
    found = await snapshot(at.connection)
    names = [one.name for one in found.queues if one.name != at.queue]
    seen = [name for name in names if at.site.on(name).may("job.add")]
    return await _facts(at, "acting/elsewhere.html", targets=seen[:MOST_SUGGESTED])


FORMS: Mapping[str, tuple[str, Form]] = {
    "edit": ("job.edit", editing.opened),
    "duplicate": ("job.duplicate", copying.opened),
    "reschedule": ("job.reschedule", _reschedule),
    "reprioritize": ("job.reprioritize", _reprioritize),
    "fail": ("job.fail", _fail),
    "cancel": ("job.cancel", _cancel),
    "elsewhere": ("job.retry", _elsewhere),
}
