"""What a person may do: the permission that each action needs, and who holds which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from queues.actions.actor import Actor
from queues.errors import Forbidden

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

#: action → the Django permission it needs, beside being staff.
PERMISSIONS: Mapping[str, str] = {
    "queue.pause": "toril.change_queue",
    "queue.resume": "toril.change_queue",
    "job.retry": "toril.change_job",
    "job.promote": "toril.change_job",
    "job.remove": "toril.delete_job",
    "queue.retry-all": "toril.change_job",
    "queue.promote-all": "toril.change_job",
    "queue.clean": "toril.delete_job",
    "queue.drain": "toril.delete_job",
}
#: Templates cannot write `-` or `.` in a name: `grants.queue_retry_all`.
_FLAGS = {action.replace(".", "_").replace("-", "_"): action for action in PERMISSIONS}


@dataclass(frozen=True, slots=True)
class Grants:
    """What one person may do, computed once: asking costs nothing and never raises."""

    actor: Actor
    may_see: bool = False
    actions: frozenset[str] = frozenset()

    def may(self, action: str) -> bool:
        """`may("job.retry")`; an action that no permission names is nobody's."""
        return action in self.actions

    def on(self, queue: str) -> Grants:
        """What of this holds for that queue; `request.grants.on(queue.name).require("job.retry")`."""
        return self

    def sees(self, queue: str) -> bool:
        """Whether the queue exists for this person at all."""
        return self.may_see

    def require(self, action: str) -> None:
        """Raises Forbidden, with the sentence, where `may` says no."""
        if action not in self.actions:
            raise Forbidden(
                f"Your account may not do this: it needs the permission “{PERMISSIONS.get(action, action)}”."
            )

    def __getattr__(self, name: str) -> bool:
        try:
            return _FLAGS[name] in self.actions
        except KeyError:
            raise AttributeError(name) from None


def may_see(user: User | AnonymousUser) -> bool:
    """Whether this person may look at queues at all; asks the database nothing."""
    return user.is_authenticated and user.is_active and user.is_staff


def grants_of(user: User | AnonymousUser) -> Grants:
    """Asks the database for the permissions of staff who are not superusers."""
    if not (user.is_authenticated and user.is_active):
        return Grants(Actor(None, ""))
    actor = Actor(user.pk, user.get_username())
    if not may_see(user):
        return Grants(actor)
    if user.is_superuser:
        return Grants(actor, True, frozenset(PERMISSIONS))
    held = user.get_all_permissions()
    return Grants(actor, True, frozenset(action for action, needed in PERMISSIONS.items() if needed in held))
