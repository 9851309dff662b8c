"""What a line of a list unfolds to: the beginning of the job's error and data, its options in words. No more is read
than is shown.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import span
from dashboard.pages.job import why
from dashboard.pages.listing.state import Listing
from dashboard.presentation import formatted
from queues.lookups.jobs import job_detail
from queues.lookups.lists import Glimpse, glimpse
from queues.masking import mask_json, mask_text
from queues.models import Job, Queue
from queues.protocol.codec import parse_json

ERROR_LINES, ERROR_CHARS, DATA_CHARS = 12, 2_000, 1_200


async def unfolded(queue: Queue, asked: Listing, job_id: str) -> dict[str, Any]:
    """The context of queue/more.html. Raises JobNotFound."""
    found = await glimpse(queue.connection, queue.name, asked.status, job_id)
    known = {"queue": queue, "job": found.job, "asked": asked, "why": await _why(found.job)}
    if not asked.may_read:
        return known
    data = formatted(queue.name, "data", found.job.data) if found.job.data else ""
    return known | {
        "error": _error(found),
        "data": mask_json(data)[:DATA_CHARS],
        "is_data_cut": len(data) > DATA_CHARS,
        "sizes": found.sizes,
        "too_large": found.too_large,
        "options": _in_words(found.job.opts),
    }


async def _why(job: Job) -> str:
    """When it is due and whether its worker holds it is not of its hash; who has ended needs neither."""
    if job.state_enum.is_finished:
        return ""
    detail = await job_detail(job.connection, job.queue, job.job_id, is_again=True)
    return await why.of_job(detail.job)


def _error(found: Glimpse) -> str:
    stacks = found.job.stacks
    told = stacks[-1] if stacks else found.job.failed_reason
    return "\n".join(mask_text(told).splitlines()[:ERROR_LINES])[:ERROR_CHARS]


def _in_words(opts: str) -> list[str]:
    """A job's options as a person would say them; those that say nothing are left out."""
    options = parse_json(opts)
    if not isinstance(options, dict):
        return []
    told = [
        _attempts(options),
        _backoff(options.get("backoff")),
        _delay(options.get("delay")),
        _priority(options.get("priority")),
        _("runs before those that wait") if options.get("lifo") is True else "",
        _kept(options.get("removeOnComplete"), _("completed")),
        _kept(options.get("removeOnFail"), _("failed")),
    ]
    return [words for words in told if words]


def _attempts(options: dict[str, Any]) -> str:
    allowed: Any = options.get("attempts")
    if not _is_count(allowed) or allowed < 2:
        return ""
    return ngettext("%(count)s attempt", "%(count)s attempts", allowed) % {"count": f"{allowed:,}"}


def _backoff(backoff: Any) -> str:
    if _is_count(backoff):
        return _("%(span)s between attempts") % {"span": span(backoff)}
    if not isinstance(backoff, dict) or not _is_count(backoff.get("delay")):
        return ""
    kind = str(backoff.get("type", ""))[:40]
    return _("backing off %(kind)s from %(span)s") % {"kind": kind, "span": span(backoff["delay"])}


def _delay(delay: Any) -> str:
    return _("delayed by %(span)s") % {"span": span(delay)} if _is_count(delay) and delay else ""


def _priority(priority: Any) -> str:
    return _("priority %(number)s") % {"number": f"{priority:,}"} if _is_count(priority) and priority else ""


def _kept(keep: Any, state: str) -> str:
    if keep is True:
        return _("removed when %(state)s") % {"state": state}
    if isinstance(keep, dict) and _is_count(keep.get("age")):
        return _("kept %(span)s when %(state)s") % {"span": span(keep["age"] * 1_000), "state": state}
    count = keep.get("count") if isinstance(keep, dict) else keep
    if _is_count(count):
        return _("the last %(count)s are kept when %(state)s") % {"count": f"{count:,}", "state": state}
    return ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15
