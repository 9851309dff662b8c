"""What happened to a job, in order, as far as it is recorded. What is not known is said to be, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import span
from dashboard.pages.job.attempts import failures
from dashboard.pages.job.option_words import retention
from queues.lookups.attempts import ended_attempts
from queues.masking import mask_text
from queues.models import Job
from queues.protocol.attempts import Run
from queues.states import State

#: So many attempts before the last one are told singly.
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Moment:
    """`at_ms` None: a moment that is not recorded, or is none. `state` gives the colour, "" none. `note`: what
    followed, or why; `error`: the error's line. `is_lost`: it happened, and nobody wrote down when.
    """

    label: str
    at_ms: int | None = None
    note: str = ""
    state: str = ""
    error: str = ""
    is_lost: bool = False
    #: A person did it: for who may read who did what. `difference`: what that changed in its data.
    is_act: bool = False
    difference: str = ""
    #: Of the bulk work that did it; 0 for none. `is_shared`: of jobs of other queues, too, which not everybody sees.
    operation: int = 0
    is_shared: bool = False


def timeline(
    job: Job,
    now_ms: int,
    runs: Sequence[Run] = (),
    *,
    with_errors: bool = True,
    kept_errors: Mapping[int, str] | None = None,
    first_start_ms: int | None = None,
) -> list[Moment]:
    """From `added` to where the job is now; a delayed job's due time stands last, in the future.

    `kept_errors`: of attempts of which no stack is left. `first_start_ms`: of before its count began anew.
    """
    by_number = {run.number: run for run in runs}
    errors: dict[int | None, str] = {}
    if with_errors:
        errors.update({number: mask_text(error) for number, error in (kept_errors or {}).items()})
        errors.update({failure.number: failure.headline for failure in failures(job)})
    return [
        *_added(job, first_start_ms if first_start_ms is not None or 1 not in by_number else by_number[1].started_ms),
        *_earlier_attempts(job, by_number, errors),
        *_last_attempt(job, now_ms),
        *_now(job),
    ]


def waited_ms(job: Job, first_start_ms: int | None = None) -> int | None:
    """From added (or due) to its first start; None where later attempts have overwritten that start."""
    started = job.processed_on_ms if first_start_ms is None and job.attempts_started <= 1 else first_start_ms
    if started is None or not job.timestamp_ms:
        return None
    return max(started - job.timestamp_ms - first_delay_ms(job), 0)


def first_delay_ms(job: Job) -> int:
    """How long it was asked to wait when it was added; `delay` itself is overwritten by every backoff."""
    given = job.options.get("delay")
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < 2**53:
        return int(given)
    return 0 if job.attempts_made else job.delay_ms


def ran_ms(job: Job) -> int | None:
    """How long the last attempt ran, where it has ended."""
    if job.processed_on_ms is None or job.finished_on_ms is None:
        return None
    return max(job.finished_on_ms - job.processed_on_ms, 0)


def _added(job: Job, first_start_ms: int | None) -> list[Moment]:
    if not job.timestamp_ms:
        return []
    waited = waited_ms(job, first_start_ms)
    delay = first_delay_ms(job)
    notes = [
        _("by scheduler “%(id)s”") % {"id": job.scheduler_id} if job.scheduler_id else "",
        _("with priority %(number)s") % {"number": f"{job.priority:,}"} if job.priority else "",
        _("to run after %(time)s") % {"time": span(delay)} if delay else "",
        _("waited %(time)s") % {"time": span(waited)} if waited is not None else "",
    ]
    return [Moment(_("Added"), job.timestamp_ms, ", ".join(note for note in notes if note))]


def _earlier_attempts(job: Job, runs: dict[int, Run], errors: dict[int | None, str]) -> list[Moment]:
    """Each with its error; of many only the last few, where their stacks are."""
    ended = ended_attempts(job)
    first = max(ended - MOST_ATTEMPTS, 0) + 1
    moments = []
    if first > 1:
        said = ngettext("%(count)s earlier attempt failed", "%(count)s earlier attempts failed", first - 1)
        moments.append(Moment(said % {"count": f"{first - 1:,}"}, None, "", "failed"))
    for number in range(first, ended + 1):
        run = runs.get(number, Run(number))
        then = job.processed_on_ms if number == ended else runs[number + 1].started_ms if number + 1 in runs else None
        moments.append(_attempt(run, then, errors.get(number, "")))
    return moments


def _attempt(run: Run, next_start_ms: int | None, error: str) -> Moment:
    words = {"number": f"{run.number:,}", "worker": run.worker}
    label = _("Attempt %(number)s failed on %(worker)s") if run.worker else _("Attempt %(number)s failed")
    notes = []
    if run.started_ms is not None and run.ended_ms is not None:
        notes.append(_("ran %(time)s") % {"time": span(run.ended_ms - run.started_ms)})
    if run.ended_ms is not None and next_start_ms is not None and next_start_ms >= run.ended_ms:
        notes.append(_("then waited %(time)s") % {"time": span(next_start_ms - run.ended_ms)})
    is_lost = run.started_ms is None
    return Moment(label % words, run.started_ms, ", ".join(notes), "failed", error[:120], is_lost)


def _last_attempt(job: Job, now_ms: int) -> list[Moment]:
    if job.processed_on_ms is None:
        return []
    words = {"number": f"{ended_attempts(job) + 1:,}", "worker": job.processed_by}
    label = _("Attempt %(number)s started on %(worker)s") if job.processed_by else _("Attempt %(number)s started")
    ran, notes = ran_ms(job), []
    is_active = job.state == State.ACTIVE
    if ran is not None:
        notes.append(_("ran %(time)s") % {"time": span(ran)})
    elif is_active:
        notes.append(_("running for %(time)s") % {"time": span(now_ms - job.processed_on_ms)})
    elif job.attempts_made:
        notes.append(_("failed"))
    if job.stalled_count:
        said = ngettext("stalled once", "stalled %(count)s times", job.stalled_count)
        notes.append(said % {"count": f"{job.stalled_count:,}"})
    has_failed = job.state == State.FAILED or (ran is None and not is_active and job.attempts_made > 0)
    return [
        Moment(
            label % words,
            job.processed_on_ms,
            ", ".join(notes),
            "active" if is_active else "failed" if has_failed else "",
        )
    ]


def _now(job: Job) -> list[Moment]:
    waits = _("Waiting to be run") if job.is_local else _("Waiting for a worker")
    again = job.attempts_made > 0
    ends = {
        State.COMPLETED: lambda: Moment(_("Completed"), job.finished_on_ms, retention(job), "completed"),
        State.FAILED: lambda: Moment(_("Failed for good"), job.finished_on_ms, retention(job), "failed"),
        State.DELAYED: lambda: Moment(
            _("Due again") if again else _("Due"), job.due_ms, _("backing off") if again else "", "delayed"
        ),
        State.WAITING: lambda: Moment(waits, None, "", "waiting"),
        State.PRIORITIZED: lambda: Moment(
            waits, None, _("priority %(number)s") % {"number": f"{job.priority:,}"}, "prioritized"
        ),
        State.WAITING_CHILDREN: lambda: Moment(_("Waiting for its children"), None, "", "waiting-children"),
    }
    if job.removed_at is not None:
        gone = Moment(_("Removed") if job.is_local else _("No longer in Redis"), int(job.removed_at.timestamp() * 1000))
        ended = [ends[job.state_enum]()] if job.state_enum in ends else []
        return [*([Moment(m.label, m.at_ms, "", m.state) for m in ended]), gone]
    return [ends[job.state_enum]()] if job.state_enum in ends else []
