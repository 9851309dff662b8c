"""The parts of a job's page that are asked for by themselves: the job again, a field, more of it, the log, its kin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.job import why
from dashboard.pages.job.context import parent_of, shown
from dashboard.pages.job.incarnation import added_ms, named
from dashboard.pages.payload import cards as payloads
from dashboard.pages.payload import log_lines
from dashboard.pages.payload.json_rows import Place
from dashboard.pages.shell.frame import frame
from dashboard.request import Request
from queues.errors import InvalidInput, NotFound
from queues.lookups import logs
from queues.lookups.jobs import job_detail
from queues.lookups.mirrored import incarnations
from queues.lookups.neighbours import children_of, neighbours
from queues.lookups.payloads import job_payload
from queues.models import Job

Part = Callable[[Request, str, str, str], Awaitable[HttpResponse]]
LONGEST_SEARCH = 200


async def _job(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """As it is now. The page has the beginnings of large fields and the lines of the log; it keeps them."""
    detail = await job_detail(connection, queue, job_id, is_again=True, added_ms=added_ms(request))
    return render(request, "job/job.html", await shown(detail) | {"is_again": True})


async def _why(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    job = (await job_detail(connection, queue, job_id, is_again=True, added_ms=added_ms(request))).job
    return render(request, "why/job.html", {"job": job, "why": await why.of_job(job)})


async def _payload(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """One field anew, from its beginning, as a tree or raw; and, with `at`, what follows a slice of it."""
    job, field, value = await _value(request, connection, queue, job_id)
    is_raw = request.GET.get("view") == "raw"
    place = Place()
    if token := request.GET.get("at"):
        place = payloads.place_of(job, field, token, len(value))
    card = payloads.card_of(job, field, value, place, is_raw=is_raw)
    context = {"job": job, "card": card}
    if not wants_fragment(request):
        return render(request, "job/alone.html", frame(None, part="job/payload.html", **context))
    return render(request, "job/slice.html" if token else "job/payload.html", context)


async def _value(request: Request, connection: str, queue: str, job_id: str) -> tuple[Job, str, bytes]:
    request.grants.on(queue).require("job.payload")
    field = request.GET.get("show", "")
    if field not in payloads.NAMES:
        raise InvalidInput(_("There is no such field."))
    value = await job_payload(connection, queue, job_id, field, added_ms(request))
    if value is None:
        words = {"queue": queue, "field": field, "id": job_id}
        raise NotFound(_("Queue “%(queue)s” holds no %(field)s of a job “%(id)s”.") % words)
    return named(request, connection, queue, job_id), field, value


async def _log(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """`find`: the lines that hold it; `after`, `before`: those beyond a line's number; else the end."""
    request.grants.on(queue).require("job.payload")
    place, asked = (connection, queue, job_id), request.GET
    find = asked.get("find", "")[:LONGEST_SEARCH].strip()
    if find:
        window = await logs.log_matching(*place, find, log_lines.plain)
    elif (after := _number(asked.get("after"))) is not None:
        window = await logs.log_after(*place, after)
    elif (before := _number(asked.get("before"))) is not None:
        window = await logs.log_before(*place, before)
    else:
        window = await logs.log_end(*place)
    job = Job(connection=connection, queue=queue, job_id=job_id)
    context = {"job": job, "window": window, "lines": log_lines.drawn(window.lines), "find": find}
    if not wants_fragment(request):
        return render(request, "job/alone.html", frame(None, part="job/log_lines.html", **context))
    return render(request, "job/log_lines.html", context)


async def _kin(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """Its children, and the jobs of its name."""
    job = (await job_detail(connection, queue, job_id, is_again=True, added_ms=added_ms(request))).job
    found, children = await neighbours(job), await children_of(job)
    some = [child for child in children.some if request.grants.sees(child[0])]
    # How many children are in queues that somebody may not see is not to be told either.
    counts = children if request.grants.sees_all else None
    context: dict[str, Any] = {"job": job, "kin": found, "children": counts, "some": some}
    others = await incarnations(connection, queue, job_id)
    context["others"] = [other for other in others if other.timestamp_ms != job.timestamp_ms]
    parent = parent_of(job)
    context["is_child"] = parent is not None and request.grants.sees(parent.queue)
    if not wants_fragment(request):
        return render(request, "job/alone.html", frame(None, part="job/kin.html", **context))
    return render(request, "job/kin.html", context)


def _number(told: str | None) -> int | None:
    return int(told) if told and told.isascii() and told.isdecimal() and len(told) < 16 else None


PARTS: Mapping[str, Part] = {"job": _job, "why": _why, "payload": _payload, "log": _log, "kin": _kin}
