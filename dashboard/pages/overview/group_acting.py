"""Pause, resume and retry for a group of queues or all: counted and confirmed, then done where the person may."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard import links
from dashboard.choices import YEAR_S
from dashboard.grants import Grants
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.operation.asking import asked, is_meant
from dashboard.pages.overview.choosing import STARRED, remembered, starred_as
from dashboard.pages.overview.tree import members
from dashboard.pages.shell.frame import SeeOther, go, visible
from dashboard.request import Request
from queues.actions import groups
from queues.actions.groups import GroupPlan, GroupProgress, Share
from queues.errors import InvalidInput
from queues.lookups.snapshot import Snapshot, snapshot
from queues.models import Queue
from queues.operations import Target
from queues.states import State

#: A cookie may hold 4 KB with its name.
MOST_STARRED_CHARS = 3_800
#: So many queues are named where some were left out or failed.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Split:
    """Those whom this person may do it to, and how many of the others there are."""

    may: list[Queue]
    left_out: list[Queue]


def split(grants: Grants, action: str, queues: list[Queue]) -> Split:
    may = [q for q in queues if grants.on(q.name, q.connection).may(f"queue.{action}")]
    return Split(may, [queue for queue in queues if queue not in may])


async def panel(request: Request, found: Snapshot) -> dict[str, Any]:
    """What stands in #panel: nothing, a confirmation with its counts, or a favourite to be kept."""
    if action := request.GET.get("confirm"):
        return await _confirmation(request, found, action)
    if (name := request.GET.get("star")) is not None and found.queue(name):
        is_kept = starred_as(found.connection, name) in remembered(request, STARRED)
        return {"panel": "overview/star.html", "starred": name, "is_kept": is_kept}
    return {}


async def _confirmation(request: Request, found: Snapshot, action: str) -> dict[str, Any]:
    group = request.GET.get("group", "")
    parted = split(request.grants, action, members(found.queues, group))
    if not parted.may:
        request.grants.require(f"queue.{action}")
    plan = await groups.plan(found.connection, action, parted.may, whole(request.GET.get("before")))
    others = await groups.plan(found.connection, action, parted.left_out) if parted.left_out else None
    if action == "retry-all" and await is_meant(plan.jobs):
        shares = (*plan.shares, *(others.shares if others else ()))
        names = [share.queue for share in shares]
        failed = Target.of_state(found.connection, names, [State.FAILED], plan.before_ms)
        return await asked(request.grants, failed, "retry", back=links.overview_url(found.connection))
    return {
        "panel": "overview/confirm.html",
        "plan": plan,
        "group": group,
        "frozen": json.dumps({"before": plan.before_ms, "queues": [[s.queue, s.jobs] for s in plan.shares]}),
        "left_out": [share.queue for share in others.shares] if others else [],
        "is_all": not group and not parted.left_out,
    }


async def act(request: Request, connection: str) -> HttpResponse:
    """A form of the panel. The jobs that were there when they were counted, and no more than were counted."""
    action, group = request.GET.get("action", ""), request.GET.get("group", "")
    if action == "star":
        return _star(request, connection)
    # Not the figures that may be a second old: whoever was taken away meanwhile is not touched.
    found = visible(request, await snapshot(connection, max_age_s=0))
    plan = _consented(request, found, action, group)
    progress = await groups.run(request.grants.actor, plan)
    await snapshot(connection, max_age_s=0)
    rest: dict[str, object] = {}
    if progress.left:
        rest = {"confirm": action, "group": group, "before": plan.before_ms}
    message = told(progress)
    return go(request, links.overview_url(connection, **rest), message, "bad" if progress.failures else "done")


def _consented(request: Request, found: Snapshot, action: str, group: str) -> GroupPlan:
    """What the form says, cut down to what is seen and may be done now."""
    if action not in groups.ACTIONS:
        raise InvalidInput(_("There is no such action for many queues."))
    shares, before_ms = _frozen(request.POST.get("plan", ""))
    here = {queue.name for queue in split(request.grants, action, members(found.queues, group)).may}
    allowed = tuple(share for share in shares if share.queue in here)
    if shares and not allowed:
        request.grants.require(f"queue.{action}")
    if not allowed:
        raise InvalidInput(_("The form names no queue that is there; open the action again."))
    return GroupPlan(found.connection, action, before_ms, allowed)


def _frozen(text: str) -> tuple[list[Share], int]:
    """Raises InvalidInput for what is no plan of ours."""
    try:
        told = json.loads(text)
        shares = [Share(str(name), int(jobs)) for name, jobs in told["queues"]]
        return [share for share in shares if share.jobs >= 0], int(told["before"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise InvalidInput(_("The form does not say which queues; open the action again.")) from None


def told(progress: GroupProgress) -> str:
    """What was done, what was not and why."""
    parts = [_done(progress)]
    if progress.left:
        jobs = sum(share.jobs for share in progress.left)
        parts.append(
            _("The time ran out: %(queues)s queues with %(jobs)s jobs are left.")
            % {"queues": f"{len(progress.left):,}", "jobs": f"{jobs:,}"}
        )
    if progress.failures:
        named = "; ".join(f"{name}: {why}" for name, why in progress.failures[:NAMED])
        parts.append(_("%(count)s could not be: %(named)s") % {"count": f"{len(progress.failures):,}", "named": named})
    return " ".join(parts)


def _done(progress: GroupProgress) -> str:
    count, jobs = progress.done, f"{progress.jobs:,}"
    said = {"count": f"{count:,}", "jobs": jobs}
    if progress.plan.action == "pause":
        return ngettext("%(count)s queue is paused.", "%(count)s queues are paused.", count) % said
    if progress.plan.action == "resume":
        return ngettext("%(count)s queue runs again.", "%(count)s queues run again.", count) % said
    return (
        ngettext(
            "%(jobs)s failed jobs of %(count)s queue were put back to run again.",
            "%(jobs)s failed jobs of %(count)s queues were put back to run again.",
            count,
        )
        % said
    )


def _star(request: Request, connection: str) -> HttpResponse:
    """Keep a queue among this browser's favourites, or no longer."""
    name = request.POST.get("name", "")
    kept, this = set(remembered(request, STARRED)), starred_as(connection, name)
    kept ^= {this}
    value = ",".join(links.segment(each) for each in sorted(kept))
    if len(value) > MOST_STARRED_CHARS:
        raise InvalidInput(_("A browser remembers no more favourites than these."))
    answer = SeeOther(links.overview_url(connection))
    answer.set_cookie(STARRED, value, max_age=YEAR_S, samesite="Lax", secure=settings.HTTPS)
    return answer
