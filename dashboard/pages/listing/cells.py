"""The cells of a job's line in a list. Drawn in Python: a dozen in each of hundreds of lines, and as templates five
times as slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from django.template import Context
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from dashboard import moments
from dashboard.pages.job.timeline import ran_ms, waited_ms
from dashboard.tags.figures import when
from queues.masking import mask_json, mask_text
from queues.models import Job
from queues.protocol.codec import parse_json
from queues.states import State

SHOWN_CHARS = 300
UNKNOWN: Promise = gettext_lazy("not known: later attempts have overwritten it")
EMPTY = format_html("<td>{}</td>", "")


@dataclass(frozen=True, slots=True)
class Teller:
    """For whom the cells are drawn: whether they may read what jobs hold; how times are told them."""

    may_read: bool = False
    context: Context = field(default_factory=Context)
    #: State → its lines' buttons, drawn for any job.
    drawn: dict[str, str] = field(default_factory=dict)

    _said: dict[str, str] = field(default_factory=dict)

    def say(self, word: str) -> str:
        """The word in the site's language, looked up once for all lines."""
        if word not in self._said:
            self._said[word] = _(word)
        return self._said[word]

    def when(self, ms: int | None) -> SafeString | str:
        return when(self.context, ms) if ms else ""


def state(job: Job, teller: Teller) -> SafeString:
    return format_html('<td><span class="state s-{}">{}</span></td>', job.state, job.state_enum.label.lower())


def error(job: Job, teller: Teller) -> SafeString:
    """Its first line alone, masked, for those who may read what jobs hold."""
    if not teller.may_read:
        return format_html('<td class="{}"></td>', "text")
    line = error_line(job)
    if not line and job.state_enum is not State.FAILED:
        return format_html('<td class="{}"></td>', "text")
    shown = line or _("no reason was given")
    return format_html('<td class="text"><span class="clip bad mono" title="{0}">{0}</span></td>', shown)


def error_line(job: Job) -> str:
    line = job.failed_reason.split("\n", 1)[0].strip()
    # Masked before it is cut: a secret that is cut in two looks like none.
    return mask_text(line[: 4 * SHOWN_CHARS])[:SHOWN_CHARS]


def why(job: Job, teller: Teller) -> SafeString:
    """Why a job waits for its time."""
    if job.attempts_made:
        line = error_line(job) if teller.may_read else ""
        shown = line or _("failed, tries again")
        return format_html('<td class="text"><span class="clip bad mono" title="{0}">{0}</span></td>', shown)
    told = _("next run of its scheduler") if job.scheduler_id else _("added with a delay")
    return format_html('<td class="text"><span class="quiet">{}</span></td>', told)


def due(job: Job, teller: Teller) -> SafeString:
    return _moment(job.due_ms, teller, "num")


def priority(job: Job, teller: Teller) -> SafeString:
    if not job.priority:
        return _zero(teller.say(gettext_noop("priority")))
    return format_html(
        '<td class="num" data-label="{}">{}</td>', teller.say(gettext_noop("priority")), f"{job.priority:,}"
    )


def attempts(job: Job, teller: Teller) -> SafeString:
    """“2 of 5”: the attempt that it is at, or that ended last, of those it is allowed."""
    allowed = _allowed(job.opts)
    made = (job.attempts_started or 1) if job.state_enum is State.ACTIVE else job.attempts_made
    if made > allowed:
        return format_html(
            '<td class="quiet" data-label="{}">{} <span class="faint">({})</span></td>',
            teller.say(gettext_noop("attempts")),
            f"{made:,}",
            _("%(count)s allowed") % {"count": f"{allowed:,}"},
        )
    told = teller.say(gettext_noop("%(made)s of %(allowed)s")) % {"made": f"{made:,}", "allowed": f"{allowed:,}"}
    shown = format_html("{}" if made else '<span class="zero">{}</span>', told)
    return format_html('<td class="quiet" data-label="{}">{}</td>', teller.say(gettext_noop("attempts")), shown)


@lru_cache(maxsize=1024)
def _allowed(opts: str) -> int:
    """Hundreds of jobs are added with the same options."""
    options = parse_json(opts)
    allowed = options.get("attempts") if isinstance(options, dict) else None
    return allowed if isinstance(allowed, int) and allowed > 1 else 1


def progress(job: Job, teller: Teller) -> SafeString:
    if not teller.may_read or job.progress in ("", "0", "null"):
        return _zero(teller.say(gettext_noop("progress")))
    value = parse_json(job.progress)
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown = f"{value:g} %"
    elif isinstance(value, str):
        shown = mask_text(value)[:40]
    else:
        shown = mask_json(job.progress)[:40]
    label = teller.say(gettext_noop("progress"))
    return format_html('<td class="num quiet minor clip" data-label="{}">{}</td>', label, shown)


def delay(job: Job, teller: Teller) -> SafeString:
    return _span(job.delay_ms or None, teller.say(gettext_noop("delay")), "")


def waited(job: Job, teller: Teller) -> SafeString:
    return _span(waited_ms(job), teller.say(gettext_noop("waited")), UNKNOWN if job.processed_on_ms else "")


def ran(job: Job, teller: Teller) -> SafeString:
    return _span(ran_ms(job), teller.say(gettext_noop("ran")), "")


def worker(job: Job, teller: Teller) -> SafeString:
    return format_html('<td class="quiet clip worker minor" title="{0}">{0}</td>', job.processed_by[:200])


def scheduler(job: Job, teller: Teller) -> SafeString:
    return format_html('<td class="quiet clip worker minor" title="{0}">{0}</td>', job.scheduler_id[:200])


def started(job: Job, teller: Teller) -> SafeString:
    return _moment(job.processed_on_ms, teller)


def finished(job: Job, teller: Teller) -> SafeString:
    return _moment(job.finished_on_ms, teller)


def added(job: Job, teller: Teller) -> SafeString:
    return _moment(job.timestamp_ms, teller)


def touched(job: Job, teller: Teller) -> SafeString:
    return _moment(job.finished_on_ms or job.processed_on_ms or job.timestamp_ms, teller)


def _moment(ms: int | None, teller: Teller, css: str = "num quiet") -> SafeString:
    if not ms:
        return format_html('<td class="{}"><span class="zero">–</span></td>', css)
    return format_html('<td class="{}">{}</td>', css, teller.when(ms))


def _span(ms: int | None, label: str, unknown: str | Promise) -> SafeString:
    if ms is None:
        return format_html('<td class="num quiet minor"><span class="zero" title="{}">–</span></td>', unknown)
    return format_html('<td class="num quiet minor" data-label="{}">{}</td>', label, moments.span(ms))


def _zero(label: str) -> SafeString:
    return format_html('<td class="num quiet minor" data-label="{}"><span class="zero">–</span></td>', label)
