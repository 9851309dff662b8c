"""What people did to a job, and its attempts of before, in their places among what happened to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.moments import span
from dashboard.pages.job.timeline import Moment
from queues.lookups.trace import Act, Trace
from queues.masking import mask_text
from queues.models import Attempt, Outcome

DONE = {
    "job.retry": gettext_lazy("Retried by %(who)s"),
    "job.promote": gettext_lazy("Promoted by %(who)s"),
    "job.recover": gettext_lazy("Recovered by %(who)s"),
    "job.edit": gettext_lazy("Data changed by %(who)s"),
    "job.reschedule": gettext_lazy("Put to another time by %(who)s"),
    "job.reprioritize": gettext_lazy("Priority changed by %(who)s"),
    "job.remove": gettext_lazy("Removed by %(who)s"),
    "job.remove-children": gettext_lazy("Children removed by %(who)s"),
    "job.cancel": gettext_lazy("Cancelled by %(who)s"),
    "job.fail": gettext_lazy("Cancelled before it ran, by %(who)s"),
    "job.duplicate": gettext_lazy("Duplicated by %(who)s"),
    "job.clear-logs": gettext_lazy("Log cleared by %(who)s"),
    "job.undo": gettext_lazy("Undone by %(who)s"),
    "job.clean": gettext_lazy("Removed by %(who)s"),
    "job.move": gettext_lazy("Moved to another queue by %(who)s"),
    "job.restore": gettext_lazy("Restored by %(who)s"),
    "queue.retry_selected": gettext_lazy("Retried by %(who)s"),
    "queue.promote_selected": gettext_lazy("Promoted by %(who)s"),
    "queue.remove_selected": gettext_lazy("Removed by %(who)s"),
}
LONGEST_ERROR = 120


def with_story(moments: Sequence[Moment], trace: Trace, queue: str, *, with_errors: bool = True) -> list[Moment]:
    """`moments` of a job in `queue` in their order, and each of the others before what came after it."""
    told = [*(_earlier(row, with_errors) for row in trace.earlier), *(_act(act, queue) for act in trace.acts)]
    found = list(moments)
    for one in sorted(told, key=lambda moment: moment.at_ms or 0):
        after = [at for at, moment in enumerate(found) if moment.at_ms is not None and moment.at_ms <= (one.at_ms or 0)]
        found.insert(after[-1] + 1 if after else 0, one)
    return found


def _earlier(row: Attempt, with_errors: bool) -> Moment:
    words = {"number": f"{row.number:,}", "worker": row.worker}
    failed = _("Attempt %(number)s failed on %(worker)s") if row.worker else _("Attempt %(number)s failed")
    completed = _("Attempt %(number)s completed on %(worker)s") if row.worker else _("Attempt %(number)s completed")
    label = (completed if row.outcome == "completed" else failed) % words
    notes = [_("before its attempts were counted anew")]
    if row.started_ms is not None and row.ended_ms is not None:
        notes.insert(0, _("ran %(time)s") % {"time": span(row.ended_ms - row.started_ms)})
    error = mask_text(row.error)[:LONGEST_ERROR] if with_errors else ""
    at_ms = row.started_ms if row.started_ms is not None else row.ended_ms
    return Moment(label, at_ms, ", ".join(notes), row.outcome or "failed", error, is_lost=at_ms is None)


def _act(act: Act, here: str) -> Moment:
    """`here`: the job's queue. Of work that touched others, too, neither number nor reason is told: the work's own page
    knows who may read it.
    """
    entry = act.entry
    label = DONE.get(entry.action)
    words = {"who": entry.actor, "action": entry.action}
    said = str(label) % words if label else _("%(action)s by %(who)s") % words
    is_shared = act.operation is not None and json.loads(act.operation.queues) != [here]
    notes = [_outcome(act), "" if is_shared else _among(act), *_changes(act.told)]
    reason = act.operation.reason if act.operation is not None and not is_shared else ""
    difference = act.told.get("difference")
    return Moment(
        said,
        act.at_ms,
        ", ".join(filter(None, [*notes, f"“{reason[:LONGEST_ERROR]}”" if reason else ""])),
        is_act=True,
        difference=mask_text(difference) if isinstance(difference, str) else "",
        operation=act.operation.pk if act.operation is not None else 0,
        is_shared=is_shared,
    )


def _outcome(act: Act) -> str:
    said = {Outcome.REFUSED: _("refused"), Outcome.FAILED: _("failed"), Outcome.OPENED: _("outcome unknown")}
    return said.get(Outcome(act.entry.outcome), "")


def _among(act: Act) -> str:
    if act.among < 2:
        return ""
    return ngettext("with %(count)s other job", "with %(count)s other jobs", act.among - 1) % {
        "count": f"{act.among - 1:,}"
    }


def _changes(told: Mapping[str, Any]) -> list[str]:
    """What was, and what is, in words; of data only that there is a difference."""
    before, after = (value if isinstance(value := told.get(name), dict) else {} for name in ("before", "after"))
    notes = [_change(before.get("priority"), after["priority"], str)] if "priority" in after else []
    if isinstance(after.get("due_ms"), int) and isinstance(before.get("due_ms"), int):
        moved = after["due_ms"] - before["due_ms"]
        later = _("%(time)s later") if moved >= 0 else _("%(time)s earlier")
        notes.append(later % {"time": span(abs(moved))})
    if told.get("reset_attempts"):
        notes.append(_("attempts counted anew"))
    if isinstance(delay := told.get("delay_ms"), int):
        notes.append(_("to run after %(time)s") % {"time": span(delay)})
    return notes


def _change(before: object, after: object, shown: Callable[[object], str]) -> str:
    return shown(after) if before is None else f"{shown(before)} → {shown(after)}"
