"""Bulk work: all of it, one before it begins, and one as it runs, with what became of each of its jobs."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import links
from dashboard.drawing import render
from dashboard.grants import Grants
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.operation import lines
from dashboard.pages.operation import reach as operation_reach
from dashboard.pages.operation.acting import act
from dashboard.pages.operation.asking import asked, parameters_of, require_elsewhere, require_word, word_of
from dashboard.pages.operation.reach import extent
from dashboard.pages.operation.target import target_of
from dashboard.pages.shell.frame import around_of, frame, go, known_connection
from dashboard.request import Request
from queues.errors import Forbidden, InvalidInput, NotFound
from queues.lookups import operations as lookup
from queues.lookups.mirror_state import leads
from queues.models import Operation
from queues.models.local import is_in_process
from queues.operations import Kind, Target, begin
from queues.options.values import LOCAL_CONNECTION

PER_PAGE = 50
#: So many are looked through for a page of those that somebody sees.
MOST_LOOKED_AT = 1_000


@require_safe
async def operations_page(request: Request) -> HttpResponse:
    """Newest first, with what is under way on top of its list anyhow."""
    connection = known_connection(request)
    rows, older = await _listed(request.grants, connection, whole(request.GET.get("before")))
    leading = await leads()
    context = {
        "section": "operations",
        "lines": [lines.line(row, request.grants, leading) for row in rows],
        "older": links.operations_url(connection, before=rows[-1].pk) if older else "",
        "newest": links.operations_url(connection) if "before" in request.GET else "",
        "leads": leading,
        "is_moving": any(row.is_running for row in rows),
    }
    if request.GET.get("fragment") == "list":
        return render(request, "operation/list.html", context)
    return render(request, "operation/list_page.html", frame(await around_of(request, connection), **context))


@require_http_methods(["GET", "HEAD", "POST"])
async def new_page(request: Request) -> HttpResponse:
    """What would be touched, and the form; the form's button begins it."""
    connection = known_connection(request)
    if request.method == "POST" and request.POST.get("begin") == "1":
        return await _begin(request, connection)
    if repeated := whole(request.GET.get("repeat")):
        context = await _asked_again(request.grants, connection, repeated)
    else:
        given = _given(request)
        do = given.get("do", "")
        context = await asked(request.grants, target_of(given, connection, do), do, given.dict())
    context |= {"section": "operations", "is_page": True}
    return render(request, "operation/new_page.html", frame(await around_of(request, connection), **context))


@require_http_methods(["GET", "HEAD", "POST"])
async def operation_page(request: Request, number: int) -> HttpResponse:
    connection = known_connection(request)
    row = await _seen(request.grants, connection, number)
    if request.method == "POST":
        return await act(request, row)
    context = await lines.shown(request, row)
    if request.GET.get("fragment") == "one":
        return render(request, "operation/one.html", context)
    context |= {"section": "operations"}
    return render(request, "operation/page.html", frame(await around_of(request, connection), **context))


async def _asked_again(grants: Grants, connection: str, number: int) -> dict[str, Any]:
    """The same as of now, with the same pace. What was searched for is told to nobody who may not read it."""
    row = await _seen(grants, connection, number)
    target = Target.from_json(row.target)
    if target.kind in (Kind.IDS, Kind.STORED):
        raise InvalidInput(_("It named its jobs one by one; choose them again."))
    if not operation_reach.reads(grants, row):
        grants.require("job.payload")
        raise Forbidden(_("It may name queues that your account does not see; search anew."))
    told = operation_reach.parameters_of(grants, row)
    given = {"to": told.get("queue", ""), "priority": told.get("priority", ""), "reason": row.reason}
    given |= {"reset": "1" if told.get("reset_attempts") else "", "repeat": row.pk}
    pace = {"rate": row.rate_per_s, "stop": row.stop_percent}
    given |= {name: f"{number:g}" for name, number in pace.items() if number is not None}
    back = links.operation_url(connection, row.pk)
    return await asked(grants, target.anew(), row.action, given, back)


async def _begin(request: Request, connection: str) -> HttpResponse:
    form = request.POST
    do = form.get("do", "")
    found = await extent(request.grants, target_of(form, connection, do), do)
    parameters = parameters_of(do, form.dict())
    require_elsewhere(request.grants, connection, do, parameters)
    keeps = form.get("keeps", "1") == "1"
    if not keeps:
        require_word(form.get("typed", ""), word_of(do, found.target))
    row = await begin(
        request.grants.actor,
        found.target,
        do,
        form.get("reason", ""),
        reach=found.reach,
        rate_per_s=number(form, "rate"),
        stop_percent=number(form, "stop") if do == "retry" else None,
        parameters=parameters,
        expected=whole(form.get("expected")) or 0,
        keeps=keeps,
        repeats=await _repeated(request.grants, connection, form.get("repeat")),
    )
    return go(request, links.operation_url(connection, row.pk), "")


async def _repeated(grants: Grants, connection: str, told: str | None) -> int | None:
    number = whole(told)
    return (await _seen(grants, connection, number)).pk if number else None


def number(form: QueryDict, name: str) -> float | None:
    """None where the field is empty. Raises InvalidInput."""
    given = (form.get(name) or "").strip().replace(",", ".")
    if not given:
        return None
    try:
        found = float(given) if len(given) < 12 else float("nan")
    except ValueError:
        found = float("nan")
    if not 0 < found < 1e9:
        raise InvalidInput(_("“%(given)s” is no number above nought.") % {"given": given[:40]})
    return found


def _given(request: Request) -> QueryDict:
    """What the address and the form say: a list posts its ticks to an address that says the rest."""
    given = request.GET.copy()
    if request.method == "POST":
        given.update(request.POST)
    return given


async def _seen(grants: Grants, connection: str, number: int) -> Operation:
    """Raises NotFound, too, where it is about a queue that this person does not see."""
    row = await lookup.one(min(number, 2**62))
    if row.connection != connection or not operation_reach.sees(grants, row):
        raise NotFound(_("There is no operation %(number)s.") % {"number": number})
    return row


async def _listed(grants: Grants, connection: str, before: int | None) -> tuple[list[Operation], bool]:
    here = LOCAL_CONNECTION if is_in_process() else connection
    found: list[Operation] = []
    for _page in range(MOST_LOOKED_AT // PER_PAGE):
        rows = await lookup.listing(Q(connection=here), before, PER_PAGE + 1)
        found += [row for row in rows if operation_reach.sees(grants, row)]
        if len(found) > PER_PAGE or len(rows) <= PER_PAGE:
            break
        before = rows[-1].pk
    return found[:PER_PAGE], len(found) > PER_PAGE
