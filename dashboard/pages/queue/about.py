"""What else there is to know of a queue: its options here, who works on it, where its figures and schedulers are."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import span
from dashboard.request import Request
from queues.errors import RedisRefused, RedisUnavailable
from queues.lookups.about import Worker, workers_of
from queues.models import Queue
from queues.models.local import is_in_process
from queues.options import get_options
from queues.options.values import Backoff, Keep, QueueOptions

MOST_WORKERS = 50


async def of_queue(request: Request, queue: Queue) -> dict[str, Any]:
    """The context of queue/about.html. Redis is asked for the workers alone; where it does not answer, it is said."""
    options, site = get_options().queue(queue.name), get_options().dashboard
    workers, trouble = await _workers(queue) if site.show_workers else (None, "")
    return {
        "is_about": True,
        "description": site.queue(queue.name).description,
        "defaults": _defaults(options),
        "runs": _runs(options),
        "delimiter": site.delimiter_of(queue.name),
        "connected": workers[:MOST_WORKERS] if workers else workers,
        "more_workers": max(0, len(workers or ()) - MOST_WORKERS),
        "workers_trouble": trouble,
        "shows_workers": site.show_workers and not is_in_process(),
    }


async def _workers(queue: Queue) -> tuple[list[Worker] | None, str]:
    if is_in_process():
        return None, ""
    try:
        return await workers_of(queue.connection, queue.name), ""
    except (RedisUnavailable, RedisRefused) as error:
        return None, str(error)


def _defaults(options: QueueOptions) -> list[str]:
    """What producers here give a job that says nothing else."""
    attempts = ngettext("%(count)s attempt", "%(count)s attempts", options.attempts) % {"count": options.attempts}
    told = [attempts, _backoff(options.backoff)]
    told.append(_kept(options.remove_on_complete, _("completed")))
    told.append(_kept(options.remove_on_fail, _("failed")))
    return [words for words in told if words]


def _runs(options: QueueOptions) -> list[str]:
    """How workers here run its jobs."""
    told = [_("%(count)s at a time in each worker") % {"count": options.concurrency}]
    if options.limiter:
        limit = {"count": f"{options.limiter.max:,}", "span": span(options.limiter.duration_ms)}
        told.append(_("at most %(count)s started in %(span)s") % limit)
    return told


def _backoff(backoff: Backoff | None) -> str:
    if backoff is None:
        return ""
    return _("backing off %(kind)s from %(span)s") % {"kind": backoff.type, "span": span(backoff.delay_ms)}


def _kept(keep: Keep | None, state: str) -> str:
    if keep is None or (keep.age_s is None and keep.count is None):
        return _("%(state)s ones stay") % {"state": state}
    if keep.count == 0:
        return _("%(state)s ones are removed at once") % {"state": state}
    parts = []
    if keep.age_s is not None:
        parts.append(span(keep.age_s * 1_000))
    if keep.count is not None:
        parts.append(_("the last %(count)s") % {"count": f"{keep.count:,}"})
    return _("%(state)s ones are kept: %(bounds)s") % {"state": state, "bounds": ", ".join(parts)}
