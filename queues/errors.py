"""Every error Toril raises on purpose: each knows its sentence, its code and the HTTP status it deserves."""

from django.utils.translation import gettext as _


class TorilError(Exception):
    """The root. `str(error)` is one sentence fit for an operator; `code` is stable, for programs."""

    code = "error"
    status = 500


class ConfigurationError(TorilError):
    """A setting or environment variable is wrong; the sentence names it."""

    code = "configuration"


class RedisUnavailable(TorilError):
    """Redis did not answer: refused, timed out, loading, or the connection broke."""

    code = "redis_unavailable"
    status = 503


class RedisRefused(TorilError):
    """Redis answered with an error of its own (no permission, wrong type, out of memory)."""

    code = "redis_refused"
    status = 502


class RedisReadOnly(RedisUnavailable):
    """Redis is a replica now: its primary was moved. The next call dials anew."""

    code = "redis_read_only"


class RedisFull(RedisRefused):
    """Redis has reached its maxmemory and takes nothing more."""

    code = "redis_full"


class NotFound(TorilError):
    """The named thing does not exist."""

    code = "not_found"
    status = 404


class QueueNotFound(NotFound):
    code = "queue_not_found"

    def __init__(self, queue: str) -> None:
        super().__init__(_("There is no queue named “%(queue)s”.") % {"queue": queue})


class JobNotFound(NotFound):
    code = "job_not_found"

    def __init__(self, queue: str, job_id: str) -> None:
        sentence = _("Queue “%(queue)s” has no job “%(job)s”; it may have been removed.")
        super().__init__(sentence % {"queue": queue, "job": job_id})


class InvalidInput(TorilError):
    """What a person or program sent cannot be used; the sentence names the offending part."""

    code = "invalid_input"
    status = 400


class Unauthorized(TorilError):
    """What a program shows proves nothing, or it shows nothing; the sentence tells no stranger which of its parts."""

    code = "unauthorized"
    status = 401

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code or type(self).code


class TooManyRequests(TorilError):
    """Who asks has used up what it may ask for now; `wait_s` is when it may ask again."""

    code = "too_many_requests"
    status = 429

    def __init__(self, wait_s: int) -> None:
        super().__init__(_("Too many requests: ask again in %(seconds)s s.") % {"seconds": wait_s})
        self.wait_s = wait_s


class Forbidden(TorilError):
    """Who asks may not do this; the sentence names the permission that is missing."""

    code = "forbidden"
    status = 403


class ReadOnly(Forbidden):
    """Nobody may change this here: the site or the queue is set to read-only."""

    code = "read_only"


class Refused(TorilError):
    """The job or queue is not in a state that allows this; nothing was changed."""

    code = "refused"
    status = 409


class JobStateChanged(Refused):
    """The job left the state in which it was seen; `state` is where it is now."""

    code = "job_state_changed"

    def __init__(self, job_id: str, verb: str, state: str | None) -> None:
        told = {"job": job_id, "verb": _(verb), "state": _(state or "gone")}
        if state:
            sentence = _("Job “%(job)s” was not %(verb)s: it is %(state)s now.") % told
        else:
            sentence = _("Job “%(job)s” was not %(verb)s: it is gone.") % told
        super().__init__(sentence)
        self.state = state


class JobLocked(Refused):
    """A worker holds the job's lock."""

    code = "job_locked"

    def __init__(self, job_id: str) -> None:
        super().__init__(_("Job “%(job)s” is being run by a worker and cannot be removed now.") % {"job": job_id})


class NotCommitted(Refused):
    """The job waits for the transaction in which it was added; after a rollback it stays so."""

    code = "not_committed"


class NotAllAdded(TorilError):
    """Adding many jobs was interrupted. `ids` are in the order of the jobs, None for those that were not added, or of
    which it is not known; `__cause__` says why.
    """

    code = "not_all_added"
    status = 503

    def __init__(self, ids: "list[str | None]", cause: TorilError) -> None:
        added = sum(job_id is not None for job_id in ids)
        super().__init__(f"{added:,} of {len(ids):,} jobs were added: {cause}")
        self.ids = ids


class JobFailed(TorilError):
    """A job whose result was awaited has failed for good; `reason` is what it failed with."""

    code = "job_failed"

    def __init__(self, queue: str, job_id: str, reason: str) -> None:
        super().__init__(f"Job “{job_id}” of queue “{queue}” failed: {reason}")
        self.reason = reason


class ResultTimeout(TorilError):
    """The job was not finished in the time given. It may still finish."""

    code = "result_timeout"
    status = 504

    def __init__(self, queue: str, job_id: str, timeout_s: float) -> None:
        super().__init__(f"Job “{job_id}” of queue “{queue}” was not finished within {timeout_s:g} s.")


class LockLost(TorilError):
    """A worker's lock on a job expired or was taken over; its outcome was not committed."""

    code = "lock_lost"


class UnrecoverableError(TorilError):
    """Raised by a processor: fail the job now, whatever attempts are left."""

    code = "unrecoverable"


class DelayedError(TorilError):
    """Raised by a processor: stop this run and run the job again in `delay_ms`; no attempt is counted."""

    code = "delayed"

    def __init__(self, delay_ms: float = 0) -> None:
        super().__init__(f"The job asked to be run again in {delay_ms} ms.")
        self.delay_ms = delay_ms


class WaitingChildrenError(TorilError):
    """Raised by a processor: stop this run until the job's children are done; no attempt is counted.

    Where no child is pending the job runs again at once.
    """

    code = "waiting_children"

    def __init__(self) -> None:
        super().__init__("The job waits for its children.")


class RateLimitError(TorilError):
    """Raised by a processor: let no worker start a job of this queue for `duration_ms`; this one waits too, at the
    head, and no attempt is counted.
    """

    code = "rate_limited"

    def __init__(self, duration_ms: float) -> None:
        super().__init__(f"The queue is limited for {duration_ms} ms.")
        self.duration_ms = duration_ms
