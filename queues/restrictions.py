"""What nobody may do here, whoever asks: read-only mode of the site or of a queue, and queues without retries."""

from __future__ import annotations

from django.utils.translation import gettext as _

from queues.abilities import ACTIONS, LOOKING
from queues.errors import Forbidden, ReadOnly, TorilError
from queues.options import DECLARED, QueueOptions, get_options

#: They are recorded and change no queue.
HARMLESS = frozenset({"deploy.mark"})
_RETRIES = frozenset({"job.retry", "job.retry-completed", "queue.retry-all", "queue.retry_selected"})


def refusal_of(action: str, queue: str | None = None) -> TorilError | None:
    """Why this action is closed to everybody, on this queue or (None) on the whole site; None where it is not."""
    if ACTIONS.get(action) in LOOKING or action in HARMLESS:
        return None
    options = get_options()
    if options.read_only:
        return ReadOnly(_("This site is read-only: nothing can be changed through it."))
    if queue is None or not (options.queues or DECLARED):
        return None
    return _of_queue(action, queue, _told(queue))


def _told(queue: str) -> QueueOptions:
    options = get_options()
    # Only what is configured: a name found in Redis may be none that settings could hold.
    return options.queue(queue) if queue in options.queues or queue in DECLARED else QueueOptions()


def _of_queue(action: str, queue: str, told: QueueOptions) -> TorilError | None:
    if told.read_only:
        return ReadOnly(_("The queue “%(queue)s” is read-only here: nothing in it can be changed.") % {"queue": queue})
    if action in _RETRIES and not told.allow_retries:
        return Forbidden(
            _("Jobs of the queue “%(queue)s” are not retried from here: its setting allow_retries is false.")
            % {"queue": queue}
        )
    if action == "job.retry-completed" and not told.allow_completed_retries:
        return Forbidden(
            _(
                "Completed jobs of the queue “%(queue)s” are not run again from here: its setting "
                "allow_completed_retries is false."
            )
            % {"queue": queue}
        )
    return None
