"""“Why isn't it running?”: what `queues.lookups.why` found, as one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from django.template import Context
from django.template.defaultfilters import capfirst
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import DAY, HOUR, MINUTE, SECOND, span
from dashboard.tags.figures import when
from queues.errors import TorilError
from queues.lookups.snapshot import snapshot
from queues.lookups.why import Cause, Reason, why_job, why_queue
from queues.models import Job, Queue
from queues.states import State

NOTHING = escape("")
ENDED = (State.COMPLETED, State.FAILED)
#: A job's name may be of any length.
LONGEST_TEXT = 200
#: What the line under a queue's title says already.
TOLD_ELSEWHERE = {Cause.BROKEN, Cause.PAUSED, Cause.NO_PROCESSOR}


async def of_job(job: Job) -> SafeString:
    """The sentence for a job that waits; empty for one that runs or has ended, or where Redis cannot be asked."""
    if job.state_enum not in ENDED:
        with suppress(TorilError):
            queue = (await snapshot(job.connection)).queue(job.queue)
            return sentence(await why_job(job, queue)) if queue is not None else NOTHING
    return NOTHING


async def of_queue(queue: Queue) -> SafeString:
    """The same for what is ready in the queue, without what its facts tell anyway."""
    if queue.waiting or queue.prioritized:
        with suppress(TorilError):
            return sentence(_untold(await why_queue(queue)))
    return NOTHING


def _untold(reasons: list[Reason]) -> list[Reason]:
    """Those that the line under the title does not tell; how many jobs are ready is no news beside what it tells."""
    causes = {reason.cause for reason in reasons}
    told = TOLD_ELSEWHERE if Cause.PAUSED in causes else TOLD_ELSEWHERE | {Cause.NO_WORKER}
    left = [reason for reason in reasons if reason.cause not in told or (reason.cause is Cause.NO_WORKER and reason.ms)]
    is_news = len(left) == len(reasons) or any(reason.cause is not Cause.BACKLOG for reason in left)
    return left if is_news else []


def sentence(reasons: list[Reason]) -> SafeString:
    """The reasons as the clauses of one sentence, worst first."""
    clauses = [_CLAUSES[reason.cause](reason) for reason in reasons]
    if not clauses:
        return NOTHING
    told = format_html_join("; ", "{}", ((clause,) for clause in clauses))
    return format_html("{}.", capfirst(told))


def _broken(reason: Reason) -> SafeString:
    return format_html(_("BullMQ cannot work on this queue: {why}"), why=reason.text.rstrip("."))


def _listless(reason: Reason) -> SafeString:
    return escape(_("no list of the queue holds this job, so no worker will find it"))


def _lost(reason: Reason) -> SafeString:
    return escape(_("its worker has lost it: the lock is gone, and the next check for stalled jobs takes it back"))


def _fails(reason: Reason) -> SafeString:
    # Why is what a producer wrote: the page tells it to those who may read it, and this sentence is told to all.
    return escape(_("the worker that takes it will fail it at once"))


def _children(reason: Reason) -> SafeString:
    if not reason.count:
        return escape(_("all its children have ended, and nobody has released it"))
    text = ngettext("waiting for {count} of {of} child", "waiting for {count} of {of} children", reason.of)
    return format_html(text, count=f"{reason.count:,}", of=f"{reason.of:,}")


def _due(reason: Reason) -> SafeString:
    return format_html(_("due {when}"), when=_moment(reason.at_ms))


def _overdue(reason: Reason) -> SafeString:
    return format_html(_("was due {when}; the next worker that looks moves it"), when=_moment(reason.at_ms))


def _backoff(reason: Reason) -> SafeString:
    text = _("backing off: attempt {count} of {of} starts {when}")
    return format_html(text, count=f"{reason.count:,}", of=f"{reason.of:,}", when=_moment(reason.at_ms))


def _paused(reason: Reason) -> SafeString:
    if not reason.text:
        return escape(_("the queue is paused"))
    since = _moment(reason.at_ms, "clock")
    return format_html(_("the queue is paused by {who} since {since}"), who=reason.text, since=since)


def _no_worker(reason: Reason) -> SafeString:
    if not reason.ms:
        return escape(_("no live worker serves this queue"))
    text = _("no live worker serves this queue; the last one was heard {ago} ago")
    return format_html(text, ago=span(reason.ms))


def _no_processor(reason: Reason) -> SafeString:
    return escape(_("no processor here takes this queue's jobs"))


def _resting(reason: Reason) -> SafeString:
    text = ngettext("its only worker takes no new jobs", "all {count} workers take no new jobs", reason.count)
    return format_html(text, count=f"{reason.count:,}")


def _unknown_name(reason: Reason) -> SafeString:
    return format_html(_("no worker has a processor for “{name}” jobs"), name=reason.text[:LONGEST_TEXT])


def _held(reason: Reason) -> SafeString:
    return format_html(_("held back for {left} by a worker or a person"), left=span(reason.ms))


def _limited(reason: Reason) -> SafeString:
    text = _("rate-limited for {left} ({count} per {period} used)")
    return format_html(text, left=span(reason.ms), count=f"{reason.of:,}", period=_period(reason.period_ms))


def _concurrency(reason: Reason) -> SafeString:
    return format_html(_("global concurrency {count} of {of}"), count=f"{reason.count:,}", of=f"{reason.of:,}")


def _busy(reason: Reason) -> SafeString:
    text = ngettext("the only slot is busy", "all {count} slots are busy", reason.of)
    return format_html(text, count=f"{reason.of:,}")


def _unseen(reason: Reason) -> SafeString:
    return escape(_("Redis forbids CLIENT LIST, so whether a worker serves this queue cannot be seen"))


def _backlog(reason: Reason) -> SafeString:
    text = ngettext("{count} job is ready", "{count} jobs are ready", reason.count)
    return format_html("{}{}", format_html(text, count=f"{reason.count:,}"), _about(reason.ms))


def _behind(reason: Reason) -> SafeString:
    if reason.is_at_least:
        text = _("behind more than {count} jobs")
    else:
        text = ngettext("behind {count} job", "behind {count} jobs", reason.count)
    return format_html("{}{}", format_html(text, count=f"{reason.count:,}"), _about(reason.ms))


def _next(reason: Reason) -> SafeString:
    return escape(_("it is the next to run"))


def _about(ms: int) -> SafeString:
    return format_html(_(", about {span} at the present rate"), span=span(ms)) if ms else NOTHING


def _moment(ms: int, tell: str = "ago") -> SafeString | str:
    return when(Context(), ms, tell)


def _period(ms: int) -> str:
    named = {SECOND: _("second"), MINUTE: _("minute"), HOUR: _("hour"), DAY: _("day")}
    return named.get(ms) or span(ms)


_CLAUSES: Mapping[Cause, Callable[[Reason], SafeString]] = {
    Cause.BROKEN: _broken,
    Cause.LISTLESS: _listless,
    Cause.LOST: _lost,
    Cause.FAILS: _fails,
    Cause.CHILDREN: _children,
    Cause.DUE: _due,
    Cause.OVERDUE: _overdue,
    Cause.BACKOFF: _backoff,
    Cause.PAUSED: _paused,
    Cause.NO_WORKER: _no_worker,
    Cause.NO_PROCESSOR: _no_processor,
    Cause.RESTING: _resting,
    Cause.UNKNOWN_NAME: _unknown_name,
    Cause.HELD: _held,
    Cause.LIMITED: _limited,
    Cause.CONCURRENCY: _concurrency,
    Cause.BUSY: _busy,
    Cause.UNSEEN: _unseen,
    Cause.BACKLOG: _backlog,
    Cause.BEHIND: _behind,
    Cause.NEXT: _next,
}
