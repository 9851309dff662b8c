"""Flows: the recent ones, and the tree of one, level by level."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.flow import nodes
from dashboard.pages.flow.nodes import Group
from dashboard.pages.shell.frame import frame, go, known_connection, visible
from dashboard.request import Request
from queues.actions.flows import retry_leaves
from queues.errors import InvalidInput, RedisRefused, RedisUnavailable, Refused
from queues.lookups import flows
from queues.lookups.flows import GROUPS, Walk
from queues.lookups.snapshot import Snapshot, snapshot
from queues.models.local import is_in_process
from queues.protocol.reads.families import Member, Ref, at
from queues.states import LISTED, State, parse_state


@require_http_methods(["GET", "HEAD", "POST"])
async def flows_page(request: Request) -> HttpResponse:
    connection = known_connection(request)
    if is_in_process():
        if request.method == "POST":
            raise Refused(_("Jobs run in this process: there are no flows."))
        around = visible(request, await snapshot(connection))
        return render(request, "flow/page.html", frame(around, section="flows"))
    if not request.GET.get("id"):
        return await _recent(request, connection)
    queue, job_id = request.GET.get("queue", ""), request.GET["id"]
    request.grants.require_sight(queue)
    if request.method == "POST":
        return await _retry(request, connection, queue, job_id)
    member = await flows.member(connection, queue, job_id)
    if request.GET.get("fragment") == "children":
        return render(request, "flow/children.html", await _children(request, connection, member))
    if request.GET.get("fragment") == "outline":
        return render(request, "flow/outline.html", await _outline(request, connection, member))
    return await _tree(request, connection, member)


async def _recent(request: Request, connection: str) -> HttpResponse:
    around = visible(request, await snapshot(connection))
    context: dict[str, Any] = {"find": request.GET.get("find", "")}
    try:
        if found := await _named(request, connection, around):
            return go(request, found, "")
        roots = await flows.recent_roots(connection, [q.name for q in around.queues], nodes.seeing(request))
        context |= {"roots": roots, "nodes": [nodes.node(request, member) for member in roots.members]}
    except (RedisUnavailable, RedisRefused) as error:
        context["unreadable"] = str(error)
    return render(request, "flow/page.html", frame(around, section="flows", **context))


async def _named(request: Request, connection: str, around: Snapshot) -> str:
    """The address of the flow of the job that was asked for by its id, in whichever queue; empty for none."""
    wanted = request.GET.get("find", "").strip()
    if not wanted:
        return ""
    refs = [at(connection, queue.name, wanted) for queue in around.queues[: flows.MOST_QUEUES]]
    for ref in await flows.existing(connection, refs):
        family = await flows.family(connection, ref.queue, ref.id)
        root = family.root if family.root and family.root.is_known else ref
        seen = root if nodes.seeing(request)(root) else ref
        return links.flow_url(seen.connection, seen.queue, seen.id)
    return ""


async def _tree(request: Request, connection: str, member: Member) -> HttpResponse:
    ref = member.ref
    around = visible(request, await snapshot(connection))
    family = await flows.family(connection, ref.queue, ref.id)
    may = nodes.seeing(request)
    context = {
        "section": "flows",
        "here": ref.queue,
        "can": request.grants.on(ref.queue),
        "node": nodes.node(request, member),
        "member": member,
        "family": family,
        "root": family.root if family.root and family.root.is_known and may(family.root) else None,
        "has_hidden_above": family.parent is not None and not may(family.parent),
        "groups": await _groups(request, connection, member, (nodes.mark(ref),)),
        "is_moving": member.state not in (State.COMPLETED, State.FAILED) or member.tally.pending > 0,
        "outlines": member.tally.pending > flows.PER_PAGE,
    }
    if request.GET.get("do") == "retry-leaves":
        walk = await flows.failed_leaves(connection, ref, _may_retry(request))
        if not request.grants.sees_all:
            # Some of them may lie where this person sees nothing.
            walk.hidden = 0
        context |= {"question": question(walk), "walk": walk}
        if wants_fragment(request):
            return render(request, "flow/confirm.html", context)
    if request.GET.get("fragment") == "head":
        return render(request, "flow/head.html", context)
    return render(request, "flow/tree_page.html", frame(around, **context))


async def _groups(request: Request, connection: str, member: Member, above: tuple[str, ...]) -> list[Group]:
    """A first page of each kind of children; what needs looking at comes first."""
    groups = []
    for name in GROUPS if member.tally.failed else ("pending", "ignored", "done"):
        count = nodes.count_of(member.tally, name)
        if count:
            found = await flows.children_of(connection, member.ref, name)
            groups.append(nodes.group(request, member.ref, name, found, count, above))
    return groups


async def _children(request: Request, connection: str, member: Member) -> dict[str, Any]:
    """What an opened node shows, or the next children of one kind."""
    query = request.GET
    above = nodes.above_of(query.get("above", ""))
    name = query.get("group", "")
    if not name:
        return {"groups": await _groups(request, connection, member, above), "number": above[-1] if above else ""}
    state, wanted = parse_state(query.get("state", "")), query.get("name")
    may = nodes.seeing(request)
    found = await flows.children_of(connection, member.ref, name, query.get("cursor", ""), state, wanted, may)
    narrowed = {"state": query.get("state", ""), "name": query.get("name", "")}
    count = nodes.count_of(member.tally, name)
    group = nodes.group(request, member.ref, name, found, count, above, **narrowed)
    return {"groups": [group], "is_more": bool(query.get("cursor")), "number": above[-1] if above else ""}


async def _outline(request: Request, connection: str, member: Member) -> dict[str, Any]:
    found = await flows.outline(connection, member.ref, nodes.seeing(request))
    above = (nodes.mark(member.ref),)
    rows = [
        (
            state,
            name,
            count,
            nodes.children_url(member.ref, above[:-1], group="pending", state=state.value, name=name),
        )
        for state, name, count in found.counts
    ]
    return {"outline": found, "lines": rows, "states": LISTED, "member": member}


async def _retry(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """Walk again: what is retried is what failed by now, and no more than was counted before."""
    if request.GET.get("do") != "retry-leaves":
        raise InvalidInput(_("There is no such action on a flow."))
    request.grants.on(queue).require("job.retry")
    counted = request.POST.get("count", "")
    if not (counted.isascii() and counted.isdigit() and len(counted) < 8):
        raise InvalidInput(_("The form does not say how many jobs; open the action again."))
    root = at(connection, queue, job_id)
    walk = await flows.failed_leaves(connection, root, _may_retry(request))
    url = links.flow_url(connection, queue, job_id)
    if not walk.leaves:
        return go(request, url, _("No failed job is left to retry."), "bad")
    done = await retry_leaves(request.grants.actor, root, walk.leaves[: int(counted)])
    return go(request, url, done.message, "bad" if done.missed else "done")


def _may_retry(request: Request) -> flows.May:
    grants = request.grants

    def may(ref: Ref) -> bool:
        return ref.is_known and grants.on(ref.queue, ref.connection).may("job.retry")

    return may


def question(walk: Walk) -> str:
    """“Retry 12 failed jobs, in chat 10, in scan 2?”"""
    count = len(walk.leaves)
    if not count:
        return _("No failed job of this flow can be retried.")
    by_queue = Counter(ref.queue for ref in walk.leaves).most_common(5)
    where = ", ".join(f"{queue} {number:,}" for queue, number in by_queue)
    asked = ngettext("Retry %(n)s failed job of this flow?", "Retry %(n)s failed jobs of this flow?", count)
    return f"{asked % {'n': f'{count:,}'}} ({where})"
