"""A flow's jobs as they are drawn: what a person may not see is a job without a name, and nothing else."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from dashboard import links
from dashboard.grants import Grants
from dashboard.request import Request
from queues.lookups.flows import MOST_DEEP, Children, May
from queues.masking import mask_json, mask_text
from queues.protocol.reads.families import Member, Ref, Tally
from queues.states import State


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the tree. `member` is None for a job that this person may not see."""

    member: Member | None
    number: str = ""
    reason: str = ""
    progress: str = ""
    policy: str = ""
    url: str = ""
    tree_url: str = ""
    expand_url: str = ""
    #: It stands further up in this very tree.
    is_again: bool = False

    @property
    def state(self) -> State:
        return self.member.state if self.member else State.UNKNOWN

    @property
    def tally(self) -> Tally:
        return self.member.tally if self.member else Tally()


def seeing(request: Request) -> May:
    """Whether this person sees a job of a flow; one of an unknown prefix only who sees everything."""
    grants = request.grants

    def may(ref: Ref) -> bool:
        return grants.sees(ref.queue, ref.connection) if ref.is_known else grants.sees_all

    return may


def node(request: Request, member: Member, above: tuple[str, ...] = ()) -> Node:
    """`above` are the marks of the jobs it stands below."""
    ref, grants = member.ref, request.grants
    if not seeing(request)(ref):
        return Node(None, number=mark(ref))
    can = grants.on(ref.queue, ref.connection) if ref.is_known else grants
    is_again = mark(ref) in above
    opens = ref.is_known and member.tally.total > 0 and not is_again and len(above) < MOST_DEEP
    return Node(
        member,
        number=mark(ref),
        reason=_reason(member, can),
        progress=_progress(member, can),
        policy=policy_words(member.policy) if _tells_policy(member) else "",
        url=links.job_url(ref.connection, ref.queue, ref.id) if ref.is_known else "",
        tree_url=links.flow_url(ref.connection, ref.queue, ref.id) if ref.is_known and member.tally.total else "",
        expand_url=children_url(ref, above) if opens else "",
        is_again=is_again,
    )


def _reason(member: Member, can: Grants) -> str:
    """Why it failed; not of one that was retried since, and only for who may read what jobs carry."""
    if not can.may("job.payload") or member.state not in (State.FAILED, State.UNKNOWN):
        return ""
    return mask_text(member.reason.split("\n", 1)[0])[:300]


def _progress(member: Member, can: Grants) -> str:
    """A number as a percentage, other progress as it is stored; of one that is over it says nothing."""
    if member.state.is_finished or member.progress in ("", "0") or not can.may("job.payload"):
        return ""
    return f"{member.progress} %" if member.progress.isdecimal() else mask_json(member.progress)


def _tells_policy(member: Member) -> bool:
    """What its failure does: of one that has failed, always; of one that still can, where it is out of the ordinary."""
    if member.parent is None or member.state is State.COMPLETED:
        return False
    return bool(member.policy) or member.state is State.FAILED


def policy_words(policy: str) -> str:
    return {
        "fpof": _("its failure fails the parent"),
        "cpof": _("its failure lets the parent go on"),
        "idof": _("its failure is ignored"),
        "rdof": _("its failure takes it out of the flow"),
    }.get(policy, _("its failure holds the parent"))


def mark(ref: Ref) -> str:
    """Short, the same every time: tells a job from those above it, and names its element."""
    return f"{zlib.crc32(ref.key.encode('utf-8', 'replace')):08x}"


def above_of(text: str) -> tuple[str, ...]:
    """From an address: marks only, and no more than a tree is deep."""
    found = tuple(part for part in text.split(".") if len(part) == 8 and part.isalnum())
    return found[:MOST_DEEP]


def children_url(ref: Ref, above: tuple[str, ...], **more: Any) -> str:
    below = ".".join((*above, mark(ref)))
    return links.flow_url(ref.connection, ref.queue, ref.id, fragment="children", above=below, **more)


@dataclass(frozen=True, slots=True)
class Group:
    """Some children of one kind, with the address of the rest."""

    name: str
    label: str
    count: int
    nodes: list[Node]
    more_url: str = ""
    searched: int = 0
    is_narrowed: bool = False


def labels() -> dict[str, str]:
    return {
        "pending": _("Unfinished"),
        "failed": _("Failed, and failed the parent"),
        "ignored": _("Failed, and ignored"),
        "done": _("Done"),
    }


def count_of(tally: Tally, group: str) -> int:
    return {"pending": tally.pending, "failed": tally.failed, "ignored": tally.ignored, "done": tally.done}[group]


def group(
    request: Request, parent: Ref, kind: str, found: Children, count: int, above: tuple[str, ...], **wanted: str
) -> Group:
    narrowed = {key: value for key, value in wanted.items() if value}
    more = children_url(parent, above[:-1], group=kind, cursor=found.cursor, **narrowed) if found.cursor else ""
    nodes = [node(request, member, above) for member in found.members]
    return Group(kind, labels()[kind], count, nodes, more, found.searched, bool(narrowed))
