"""Jobs that were ticked, or all that fit a filter: what may be done to them, asked first where it destroys, counted
after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from dashboard.errors import wants_fragment
from dashboard.moments import now_ms
from dashboard.pages.listing.confirmation import is_named, whole
from dashboard.pages.listing.filtering import in_words, written
from dashboard.pages.listing.searching import frozen, search
from dashboard.pages.listing.state import Listing, needed
from dashboard.pages.operation import asking as operation_asking
from dashboard.pages.operation.asking import BY_OPERATION, SCREENFUL, is_meant
from dashboard.pages.queue.context import shown
from dashboard.pages.shell import ways_back
from dashboard.pages.shell.frame import figures_of, go, swap, visible
from dashboard.request import Request
from queues.actions.restorable import MOST_JOBS
from queues.actions.selected import ACTIONS, MOST_NAMED, TOLD, Outcomes, act_on
from queues.errors import InvalidInput
from queues.lookups.snapshot import refresh
from queues.models import Queue
from queues.models.local import is_in_process
from queues.operations import Target

LONGEST_ID = 1_024
PANEL = "queue/selected.html"
WRONG_NAME = gettext_noop("Nothing was removed: that is not the queue's name.")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a panel asks about: the jobs named by `ids`, or, frozen at `before_ms`, all that fit the listing's filter.
    `beyond` jobs of the state were not searched.
    """

    do: str
    count: int
    ids: tuple[str, ...] = ()
    before_ms: int = 0
    beyond: int = 0
    is_again: bool = False
    complaint: str = ""

    @property
    def is_destructive(self) -> bool:
        return self.do == "remove"

    @property
    def is_undoable(self) -> bool:
        return not is_in_process() and self.count <= MOST_JOBS

    @property
    def is_unled(self) -> bool:
        """More than a screenful, and no mirror to do it in the background."""
        return not is_in_process() and (self.beyond > 0 or self.count > SCREENFUL)

    @property
    def order(self) -> str:
        """“Remove 3 jobs”"""
        orders = {
            "retry": ngettext("Retry %(count)s job", "Retry %(count)s jobs", self.count),
            "promote": ngettext("Promote %(count)s job", "Promote %(count)s jobs", self.count),
            "remove": ngettext("Remove %(count)s job", "Remove %(count)s jobs", self.count),
        }
        return orders[self.do] % {"count": f"{self.count:,}"}


async def asked_about(request: Request, queue: Queue, asked: Listing) -> dict[str, Any]:
    """The context of the panel for all that fit the filter, counted now; an earlier moment in the address holds."""
    do = _allowed(request, queue, asked, request.GET.get("do", ""))
    before = whole(request.GET.get("before"))
    at_ms = min(before or now_ms(), now_ms())
    found = await _counted(queue, asked, do, at_ms, is_again=before is not None)
    selection: Selection = found["selection"]
    if not await is_meant(selection.count, selection.beyond > 0):
        return found
    fitting = Target.of_filter(queue.connection, queue.name, asked.status, asked.filter, at_ms)
    return await operation(request, queue, asked, fitting, do)


async def operation(request: Request, queue: Queue, asked: Listing, target: Target, do: str) -> dict[str, Any]:
    """The context of the panel for more than a screenful: it is done in the background."""
    return await operation_asking.asked(request.grants, target, do, back=asked.url(queue))


async def act(request: Request, queue: Queue, asked: Listing) -> HttpResponse:
    """A button of the bar, or of the panel. Raises InvalidInput where the form does not say which jobs."""
    form = request.POST
    do = form.get("do") or request.GET.get("do", "")
    if do in BY_OPERATION:
        return await _ask(request, queue, asked, await _operation_on(request, queue, asked, do))
    do = _allowed(request, queue, asked, do)
    if "before" in form:
        return await _act_on_all(request, queue, asked, do)
    ids = _ids(form.getlist("id"))
    if await is_meant(len(ids)):
        return await _ask(request, queue, asked, await _operation_on(request, queue, asked, do))
    if do == "remove" and not is_named(form, queue.name):
        complaint = _(WRONG_NAME) if "typed" in form else ""
        panel = {"panel": PANEL, "selection": Selection(do, len(ids), tuple(ids), complaint=complaint)}
        return await _ask(request, queue, asked, panel)
    outcomes = await act_on(request.grants.actor, queue.connection, queue.name, do, asked.status, ids)
    return await _after(request, queue, asked, do, outcomes)


async def _operation_on(request: Request, queue: Queue, asked: Listing, do: str) -> dict[str, Any]:
    """About the ticked ones."""
    ids = _ids(request.POST.getlist("id"))
    named = Target.of_ids(queue.connection, [(queue.name, job_id) for job_id in ids], asked.status)
    return await operation(request, queue, asked, named, do)


async def _act_on_all(request: Request, queue: Queue, asked: Listing, do: str) -> HttpResponse:
    before, count = whole(request.POST.get("before")), whole(request.POST.get("count"))
    if before is None or count is None or asked.filter.is_empty:
        raise InvalidInput(_("The form does not say which jobs; open the action again."))
    before = min(before, now_ms())
    if do == "remove" and not is_named(request.POST, queue.name):
        panel = await _counted(
            queue, asked, do, before, complaint=_("Nothing was removed: that is not the queue's name.")
        )
        return await _ask(request, queue, asked, panel)
    found = await search(queue, asked, frozen(asked, before), before)
    told = {"filter": dict(written(asked.filter)), "before_ms": before, "searched": found.searched}
    ids = found.ids[:count]
    outcomes = await act_on(request.grants.actor, queue.connection, queue.name, do, asked.status, ids, parameters=told)
    again = {"confirm": "selected", "do": do, "before": before} if outcomes.left else None
    return await _after(request, queue, asked, do, outcomes, again)


async def _counted(
    queue: Queue, asked: Listing, do: str, before_ms: int, is_again: bool = False, complaint: str = ""
) -> dict[str, Any]:
    if asked.filter.is_empty:
        raise InvalidInput(_("There is no filter: the buttons above act on all jobs of a state."))
    found = await search(queue, asked, frozen(asked, before_ms), before_ms)
    beyond = max(0, found.total - found.searched - found.first + 1) if found.after else 0
    count = len(found.ids)
    selection = Selection(do, count, (), before_ms, beyond, is_again, complaint)
    return {"panel": PANEL, "selection": selection, "filter_words": ", ".join(in_words(asked.filter))}


def _allowed(request: Request, queue: Queue, asked: Listing, do: str) -> str:
    if do not in ACTIONS:
        raise InvalidInput(_("There is no action “%(action)s”.") % {"action": do[:60]})
    request.grants.on(queue.name).require(needed(do, asked.status))
    if do not in asked.doable:
        raise InvalidInput(
            _("This cannot be done to %(state)s jobs: %(action)s.")
            % {"state": asked.status.label.lower(), "action": do}
        )
    return do


def _ids(given: list[str]) -> list[str]:
    ids = list(dict.fromkeys(job_id for job_id in given if job_id))
    if not ids:
        raise InvalidInput(_("No job is ticked."))
    if len(ids) > MOST_NAMED or any(len(job_id) > LONGEST_ID for job_id in ids):
        raise InvalidInput(_("Too much at once: at most %(count)s jobs.") % {"count": f"{MOST_NAMED:,}"})
    return ids


async def _ask(request: Request, queue: Queue, asked: Listing, panel: dict[str, Any]) -> HttpResponse:
    """The panel, and nothing done; without script the whole page with it."""
    found = visible(request, await refresh(queue.connection, [queue.name]))
    context = await shown(found, queue, asked) | panel
    if not wants_fragment(request):
        return swap(request, "queue/page.html", context, "")
    response = swap(request, panel["panel"], context, "")
    response["HX-Retarget"], response["HX-Reswap"] = "#panel", "innerHTML"
    return response


async def _after(
    request: Request,
    queue: Queue,
    asked: Listing,
    do: str,
    outcomes: Outcomes,
    again: dict[str, object] | None = None,
) -> HttpResponse:
    message, kind = sentence(do, outcomes), "bad" if outcomes.error or not outcomes.done else "done"
    found = visible(request, await refresh(queue.connection, [queue.name]))
    way = ways_back.way_back(outcomes.undo, queue.connection, queue.name, back=asked.back)
    if not wants_fragment(request):
        return go(request, asked.url(queue, again), message, ways_back.tags(kind, way))
    context = await shown(found, found.queue(queue.name) or queue, asked)
    if again:
        context |= await _counted(queue, asked, do, int(str(again["before"])), is_again=True)
    response = swap(request, "queue/queue.html", context, message, kind, way=way)
    response.write(figures_of(context["queue"], asked.tab))
    return response


def sentence(do: str, outcomes: Outcomes) -> str:
    """“3,998 retried, 2 had moved on.”"""
    parts = [TOLD[do] % {"count": f"{outcomes.done:,}"}]
    if outcomes.moved:
        parts.append(_("%(count)s had moved on") % {"count": f"{outcomes.moved:,}"})
    for reason, count in outcomes.stayed.most_common(3):
        parts.append(_("%(count)s stayed: %(reason)s") % {"count": f"{count:,}", "reason": reason})
    if outcomes.left:
        parts.append(_("%(count)s left") % {"count": f"{outcomes.left:,}"})
    return f"{', '.join(parts)}. {outcomes.error}".rstrip()
