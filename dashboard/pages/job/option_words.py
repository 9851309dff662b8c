"""A job's options as a sentence, and what retention will do with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import span
from queues.models import Job
from queues.options import get_options
from queues.processors import registry
from queues.states import State


def in_words(job: Job) -> str:
    """`5 attempts, exponential backoff from 1 s, kept 3 days`; what is not said is left to BullMQ."""
    return ", ".join(_clauses(job.options))


def _clauses(opts: Mapping[str, Any]) -> Iterator[str]:
    attempts = _whole(opts.get("attempts")) or 1
    yield ngettext("%(count)s attempt", "%(count)s attempts", attempts) % {"count": f"{attempts:,}"}
    if backoff := _backoff(opts.get("backoff")):
        yield backoff
    if delay := _whole(opts.get("delay")):
        yield _("delayed %(time)s") % {"time": span(delay)}
    if priority := _whole(opts.get("priority")):
        yield _("priority %(number)s") % {"number": f"{priority:,}"}
    if opts.get("lifo") is True:
        yield _("before all that wait (lifo)")
    for name, ends in (("removeOnComplete", _("when completed")), ("removeOnFail", _("when failed"))):
        if name in opts and (kept := _keeping(opts[name])):
            yield f"{ends} {kept}"
    yield from _rest(opts)


def _rest(opts: Mapping[str, Any]) -> Iterator[str]:
    if (limit := _whole(opts.get("stackTraceLimit"))) is not None:
        yield ngettext("the last %(count)s stack kept", "the last %(count)s stacks kept", limit) % {"count": limit}
    if (lines := _whole(opts.get("kl", opts.get("keepLogs")))) is not None:
        yield ngettext("the last %(count)s log line kept", "the last %(count)s log lines kept", lines) % {
            "count": f"{lines:,}"
        }
    flags = {
        "fpof": _("fails its parent if it fails"),
        "cpof": _("lets its parent go on if it fails"),
        "idof": _("its parent does not mind if it fails"),
        "rdof": _("its parent does not wait for it once it has failed"),
    }
    yield from (words for flag, words in flags.items() if opts.get(flag) is True)


def _backoff(value: Any) -> str:
    kind, delay = (
        (value.get("type"), _whole(value.get("delay"))) if isinstance(value, Mapping) else ("fixed", _whole(value))
    )
    if kind == "exponential":
        return _("exponential backoff from %(time)s") % {"time": span(delay or 0)}
    if kind == "fixed":
        return _("%(time)s between attempts") % {"time": span(delay)} if delay else ""
    return _("backoff “%(kind)s”") % {"kind": str(kind)[:60]} if kind else ""


def _keeping(value: Any) -> str:
    count, age_s = _bounds(value)
    if count == 0:
        return _("removed at once")
    if count is None and age_s is None:
        return _("kept")
    parts = [_("kept %(time)s") % {"time": span(age_s * 1000)}] if age_s is not None else []
    if count is not None:
        parts.append(_("kept with the newest %(count)s") % {"count": f"{count:,}"})
    return _(" and ").join(parts)


def retention(job: Job) -> str:
    """What becomes of the job when it has ended, or now that it has; empty where no end is in sight."""
    ended = job.state_enum.is_finished
    if job.is_local or not job.exists:
        return ""
    target = State.FAILED if job.state == State.FAILED else State.COMPLETED
    option = "removeOnFail" if target is State.FAILED else "removeOnComplete"
    given = job.options.get(option)
    count, age_s = _bounds(given) if given is not None else _queues_own(job.queue, target)
    words = {"count": f"{count or 0:,}", "time": span((age_s or 0) * 1000)}
    if count is None and age_s is None:
        if given is None and not registry.of(job.queue):
            return _("Kept for as long as its worker says: the job itself does not.")
        return _("Kept until somebody removes it.")
    if count == 0:
        return _("Kept only until its queue's next job ends.") if ended else _("Removed as soon as it completes.")
    if age_s is None:
        if target is State.FAILED:
            return _("Kept until %(count)s newer jobs have failed.") % words
        return _("Kept until %(count)s newer jobs have completed.") % words
    if count is None:
        return _("Kept for %(time)s after its end, until another job then ends.") % words
    return _("Kept for %(time)s after its end, among the newest %(count)s at most.") % words


def _queues_own(queue: str, target: State) -> tuple[int | None, int | None]:
    """What workers of this project do, where they take the queue."""
    if not registry.of(queue):
        return None, None
    options = get_options().queue(queue, registry.declared(queue))
    keep = options.remove_on_fail if target is State.FAILED else options.remove_on_complete
    return (keep.count, keep.age_s) if keep else (None, None)


def _bounds(value: Any) -> tuple[int | None, int | None]:
    """(count, age in seconds) of BullMQ's removeOnComplete or removeOnFail; None for no bound."""
    if isinstance(value, bool):
        return (0, None) if value else (None, None)
    if isinstance(value, Mapping):
        count, age = _whole(value.get("count")), _whole(value.get("age"))
        return (None if count is not None and count < 0 else count), age
    number = _whole(value)
    return (None if number is None or number < 0 else number), None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return int(value)
