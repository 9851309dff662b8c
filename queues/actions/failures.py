"""What people do with groups of failures: resolve, ignore, reopen, assign, note, merge, split. Nothing of it changes a
job; each is recorded, and told in the group's own past.

Whoever calls has made sure that the actor sees the group and may triage in its queues.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import InvalidInput, NotFound, Refused
from queues.fingerprints import MOST_VALUES
from queues.models import FailureCause, FailureEvent, FailureGroup
from queues.models.failure import Status
from queues.protocol.writes import now_ms

LONGEST_NOTE, MOST_MERGED = 4_000, 50


async def resolve(actor: Actor, connection: str, group: int) -> Done:
    """It is thought to be mended: should it fail again, it counts as regressed. Raises NotFound, Refused."""
    deed = Deed(actor, "failure.resolve", connection, "", parameters={"group": group})
    return await record(deed, _status(actor, connection, group, Status.RESOLVED, "resolved"), of_done)


async def ignore(actor: Actor, connection: str, group: int) -> Done:
    """It may fail and nobody is told."""
    deed = Deed(actor, "failure.ignore", connection, "", parameters={"group": group})
    return await record(deed, _status(actor, connection, group, Status.IGNORED, "ignored"), of_done)


async def reopen(actor: Actor, connection: str, group: int) -> Done:
    deed = Deed(actor, "failure.reopen", connection, "", parameters={"group": group})
    return await record(deed, _status(actor, connection, group, Status.OPEN, "reopened"), of_done)


async def assign(actor: Actor, connection: str, group: int, user: str) -> Done:
    """To an active member of staff by name; to nobody where it is empty. Raises InvalidInput for any other."""
    deed = Deed(actor, "failure.assign", connection, "", parameters={"group": group, "to": user})
    return await record(deed, _hop(_assign, actor, connection, group, user.strip()), of_done)


async def note(actor: Actor, connection: str, group: int, text: str) -> Done:
    """A note for whoever looks at the group next. The record keeps that there was one, not what it says."""
    deed = Deed(actor, "failure.note", connection, "", parameters={"group": group})
    return await record(deed, _hop(_note, actor, connection, group, text.strip()), of_done)


async def merge(actor: Actor, connection: str, group: int, others: Sequence[int]) -> Done:
    """From now on the causes of the others are this group's, with all their counts; jobs' rows follow."""
    deed = Deed(actor, "failure.merge", connection, "", parameters={"group": group, "others": list(others)})
    return await record(deed, _hop(_merge, actor, connection, group, list(dict.fromkeys(others))), of_done)


async def split(actor: Actor, connection: str, group: int, causes: Sequence[int]) -> Done:
    """Take some of its causes out into a group of their own."""
    deed = Deed(actor, "failure.split", connection, "", parameters={"group": group, "causes": list(causes)})
    return await record(deed, _hop(_split, actor, connection, group, set(causes)), of_done)


async def split_by_value(actor: Actor, connection: str, group: int, cause: int, places: Sequence[int]) -> Done:
    """Tell apart what differs in these places of a cause's message: a group for each value, for failures to come and
    those whose jobs are known.
    """
    parameters = {"group": group, "cause": cause, "places": list(places)}
    deed = Deed(actor, "failure.split", connection, "", parameters=parameters)
    return await record(deed, _hop(_split_by_value, actor, connection, group, cause, set(places)), of_done)


# --- each in one transaction, and one hop


def _hop(act: Callable[..., Done], *arguments: object) -> Callable[[], Awaitable[Done]]:
    def run() -> Done:
        with transaction.atomic():
            return act(*arguments)

    return lambda: sync_to_async(run)()


def _status(actor: Actor, connection: str, group: int, status: Status, kind: str) -> Callable[[], Awaitable[Done]]:
    return _hop(_set_status, actor, connection, group, status, kind)


def _locked(connection: str, key: int) -> FailureGroup:
    found = FailureGroup.objects.select_for_update().filter(connection=connection, pk=key).first()
    if found is None:
        raise NotFound(_("There is no group of failures #%(group)s.") % {"group": key})
    if found.merged_into_id is not None:
        told = {"group": key, "other": found.merged_into_id}
        raise Refused(_("Group #%(group)s was merged into #%(other)s; nothing was changed.") % told)
    return found


def _tell(group: FailureGroup, actor: Actor, kind: str, text: str = "") -> None:
    FailureEvent.objects.create(group=group, actor=actor.name[:150], kind=kind, text=text.replace("\0", "\ufffd"))


def _set_status(actor: Actor, connection: str, key: int, status: Status, kind: str) -> Done:
    group = _locked(connection, key)
    if group.status == status or (status is Status.OPEN and group.status == Status.REGRESSED):
        raise Refused(_("Group #%(group)s is %(status)s already.") % {"group": key, "status": _(group.status)})
    group.status, group.status_ms, group.status_by = status, now_ms(), actor.name[:150]
    group.save(update_fields=["status", "status_ms", "status_by"])
    _tell(group, actor, kind)
    words = {
        Status.RESOLVED: _("Group #%(group)s is resolved. Should it fail again, it is shown as regressed."),
        Status.IGNORED: _("Group #%(group)s is ignored: it is counted, and listed under “Ignored” only."),
        Status.OPEN: _("Group #%(group)s is open again."),
    }
    return Done(words[status] % {"group": key})


def _assign(actor: Actor, connection: str, key: int, name: str) -> Done:
    group, users = _locked(connection, key), get_user_model().objects
    user = users.filter(**{get_user_model().USERNAME_FIELD: name}, is_staff=True, is_active=True).first()
    if name and user is None:
        raise InvalidInput(_("There is nobody named “%(name)s” among the staff.") % {"name": name[:150]})
    group.assignee = user if name else None
    group.save(update_fields=["assignee"])
    _tell(group, actor, "assigned", name)
    told = {"group": key, "name": name}
    return Done(_("Group #%(group)s is %(name)s’s.") % told if name else _("Group #%(group)s is nobody’s now.") % told)


def _note(actor: Actor, connection: str, key: int, text: str) -> Done:
    if not text or len(text) > LONGEST_NOTE:
        raise InvalidInput(_("A note has 1 to %(most)s characters.") % {"most": f"{LONGEST_NOTE:,}"})
    _tell(_locked(connection, key), actor, "noted", text)
    return Done(_("The note was added."))


def _merge(actor: Actor, connection: str, key: int, others: list[int]) -> Done:
    if not others or key in others or len(others) > MOST_MERGED:
        raise InvalidInput(_("Name between 1 and %(most)s other groups.") % {"most": MOST_MERGED})
    # In one order, so that two people who merge the same groups never wait for each other.
    found = {each: _locked(connection, each) for each in sorted([key, *others])}
    group = found[key]
    for other in others:
        FailureCause.objects.filter(group=other).update(group=group)
        gone = found[other]
        gone.merged_into = group
        gone.save(update_fields=["merged_into"])
        _let_follow(gone)
        _tell(group, actor, "merged", f"#{other}")
    group.last_ms = max(one.last_ms for one in found.values())
    group.save(update_fields=["last_ms"])
    count = len(others)
    words = ngettext(
        "%(count)s group was merged into #%(group)s.", "%(count)s groups were merged into #%(group)s.", count
    )
    return Done(words % {"count": count, "group": key})


def _split(actor: Actor, connection: str, key: int, causes: set[int]) -> Done:
    group = _locked(connection, key)
    known = set(FailureCause.objects.filter(group=group).values_list("pk", flat=True))
    if not causes or not causes <= known or causes == known:
        raise InvalidInput(_("Choose some of the group’s causes, and leave at least one."))
    other = FailureGroup.objects.create(connection=connection, last_ms=group.last_ms)
    FailureCause.objects.filter(pk__in=causes).update(group=other)
    _let_follow(group)
    _tell(group, actor, "split", f"#{other.pk}")
    _tell(other, actor, "split", f"#{key}")
    return Done(_("Group #%(other)s was split off; its jobs follow within seconds.") % {"other": other.pk})


def _split_by_value(actor: Actor, connection: str, key: int, cause: int, places: set[int]) -> Done:
    group = _locked(connection, key)
    found = FailureCause.objects.filter(group=group, pk=cause).first()
    if found is None or not places or not places <= set(range(MOST_VALUES)):
        raise InvalidInput(_("Choose a cause of this group, and what its failures differ in."))
    found.kept = ",".join(map(str, sorted(places)))
    found.save(update_fields=["kept"])
    _let_follow(group)
    _tell(group, actor, "split")
    return Done(_("Each value becomes a group of its own; jobs follow within seconds."))


def _let_follow(group: FailureGroup) -> None:
    # Before all times, and never twice the same: who moves the rows sees that they are to be gone through anew.
    group.moving = f"{-time.time_ns()}:0"
    group.save(update_fields=["moving"])
