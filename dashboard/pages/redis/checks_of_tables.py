"""The self-check's questions about the database and the mirror that fills it, in the order in which to ask them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import span
from dashboard.pages.redis.checking import BAD, OK, UNKNOWN, WARNING, Check, Seen, named
from dashboard.tags.figures import size as bytes_read
from queues.options import get_options

LATE_S = 60.0
#: Pruning brings it down to its bound; so far above, only jobs that Redis still has are left.
FULL_TABLES = 1.2


def tables(seen: Seen) -> Check:
    title, found = _("The database takes what is written"), seen.facts.tables
    if found.trouble:
        advice = _("Without it nobody can act: nothing is done that cannot be recorded.")
        return Check(title, BAD, found.trouble, advice)
    if found.missing:
        return Check(title, BAD, _("Missing: %(names)s") % {"names": named(list(found.missing))}, "manage.py migrate")
    return Check(title, OK, _("It does, and every migration was applied."))


def mirror(seen: Seen) -> Check:
    title, found = _("The mirror follows"), seen.facts.mirror
    if seen.facts.tables.trouble or seen.facts.tables.missing or seen.facts.trouble:
        return Check(title, UNKNOWN, _("It cannot be told while the database or Redis does not answer."))
    if not found.is_known or not found.is_alive:
        said = _("It does not run.") if found.is_known else _("It never ran here.")
        advice = _("Start manage.py runmirror: without it there is no history, and figures end with what Redis keeps.")
        return Check(title, WARNING, said, advice)
    if found.lag_s is not None and found.lag_s > LATE_S:
        advice = _("It may be busy, or the database slow: see its log.")
        late = _("It runs on %(host)s and is %(time)s behind.")
        return Check(title, WARNING, late % {"host": found.holder, "time": span(int(found.lag_s * 1000))}, advice)
    return Check(title, OK, _("It runs on %(host)s and is up to date.") % {"host": found.holder} + _skipped(seen))


def _skipped(seen: Seen) -> str:
    """What it has not made good yet, and where it last could not keep up."""
    told, said = seen.facts.followed, ""
    if told is None:
        return said
    if told.mending:
        text = ngettext(
            "%(count)s queue is being compared with its sets.",
            "%(count)s queues are being compared with their sets.",
            told.mending,
        )
        said += " " + text % {"count": f"{told.mending:,}"}
    is_recent = told.lost_at is not None and timezone.now() - told.lost_at < timedelta(days=1)
    if is_recent and any(queue.name == told.lost_queue for queue in seen.snapshot.queues):
        text = _("It last skipped ahead in %(queue)s: %(why)s.")
        said += " " + text % {"queue": told.lost_queue, "why": told.lost_why}
    return said


def followers(seen: Seen) -> Check:
    title, state = _("What follows the mirror’s rows is up to date"), seen.facts.state
    if not state.leads:
        return Check(title, UNKNOWN, _("It rests while no mirror runs."))
    late = [f"{fed.name} ({span(int(fed.lag_s * 1000))})" for fed in state.feeds if fed.lag_s > LATE_S]
    if not late:
        return Check(title, OK, _("Search, failures and the others have taken in what there is."))
    advice = _("After a first start or a long outage this takes a while: some thousand jobs a second.")
    return Check(title, WARNING, named(late), advice)


def kept(seen: Seen) -> Check:
    """Over all queues: for those who see every one."""
    title, size, most = _("What the mirror keeps"), seen.facts.state.size(), get_options().mirror.keep_mb
    if size is None:
        return Check(title, OK, _("It was not measured yet."))
    said = _("%(rows)s jobs, %(removed)s of which Redis no longer has, in about %(size)s.") % {
        "rows": f"{size.rows:,}",
        "removed": f"{size.removed:,}",
        "size": bytes_read(size.bytes),
    }
    age_ms = max(0, int((timezone.now() - size.measured_at).total_seconds() * 1000))
    said += " " + _("It was measured %(span)s ago.") % {"span": span(age_ms)}
    if most is not None and size.bytes > most * 1024 * 1024 * FULL_TABLES:
        advice = _("Clean finished jobs in Redis, keep shorter payloads, or raise KEEP_MB (docs/mirror.md).")
        return Check(title, WARNING, said, advice)
    return Check(title, OK, said)


ON_TABLES: tuple[Callable[[Seen], Check], ...] = (tables, mirror, followers)
