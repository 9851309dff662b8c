"""A job's errors, each by itself: what Node and Python leave in `stacktrace`, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboard.pages.job.frames import Part, parts
from queues.masking import mask_text
from queues.models import Job
from queues.stacks import headline, kind_of
from queues.states import State

#: Older errors are told by their number alone.
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """`number` None: which attempt it was cannot be told. `headline` is the error, `stack` the way to it."""

    number: int | None
    headline: str
    stack: str = ""

    @property
    def kind(self) -> str:
        """The error's type, `TimeoutError`; empty where its line begins otherwise."""
        return kind_of(self.headline)

    @property
    def message(self) -> str:
        return self.headline[len(self.kind) :].lstrip(": ") if self.kind else self.headline

    @property
    def parts(self) -> list[Part]:
        return parts(self.stack)


def failures(job: Job) -> list[Failure]:
    """One per stored stack, newest first, secrets masked; the failed reason alone where no stack was kept."""
    stacks = [stack for stack in reversed(job.stacks) if stack.strip() not in ("", "NoneType: None")]
    failed = failed_attempts(job)
    if not stacks:
        reason = mask_text(job.failed_reason)
        return [Failure(failed or None, headline(reason), reason)] if reason else []
    told = failed >= len(stacks)
    return [
        Failure(failed - at if told else None, headline(stack) or mask_text(job.first_error_line), stack)
        for at, stack in enumerate(map(mask_text, stacks[:MOST_SHOWN]))
    ]


def failed_attempts(job: Job) -> int:
    """BullMQ counts an attempt when it ends, the one that completed the job too."""
    return max(job.attempts_made - 1, 0) if job.state == State.COMPLETED else job.attempts_made


def verdict(job: Job) -> str:
    """Why a failed job is not tried again, in a sentence; empty for one that has not failed for good."""
    if job.state != State.FAILED:
        return ""
    left, reason = job.attempts - job.attempts_made, job.failed_reason
    if "stalled more than allowable limit" in reason:
        return _("Not tried again: it lost its worker more often than the queue allows (stalled).")
    if "started more than allowable limit" in reason:
        return _("Not tried again: it was started more often than the queue allows.")
    if "was cancelled" in reason.lower() or reason.lower().startswith("cancelled"):
        return _("Not tried again: it was cancelled.")
    if "(not tried again: " in reason:
        return _("Not tried again: its backoff gave no time for another attempt.")
    if reason.startswith("child ") and reason.endswith(" failed"):
        return _("Not tried again: a child that it cannot do without has failed.")
    if left <= 0:
        return ""
    words = {"left": left, "of": job.attempts}
    if any("UnrecoverableError" in part for part in (reason, job.stacks[-1] if job.stacks else "")):
        return _("Not tried again, though %(left)s of %(of)s attempts were left: the error was unrecoverable.") % words
    return _("Not tried again, though %(left)s of %(of)s attempts were left.") % words
