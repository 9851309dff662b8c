"""What a person may do: abilities that hold everywhere, and those that a pattern gives on some queues.

Computed once per request (`grants_of`); asking afterwards costs no I/O and never raises, but for `require`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _

from dashboard.models import QueueGrant
from queues.abilities import ABILITIES, ACTIONS, permission
from queues.actions.actor import Actor
from queues.errors import Forbidden, QueueNotFound, TorilError
from queues.options.values import LOCAL_CONNECTION
from queues.patterns import fits
from queues.restrictions import refusal_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

DEFAULT_CONNECTION = "default"
#: action → the Django permission it needs, beside being staff.
PERMISSIONS: Mapping[str, str] = {action: permission(ability) for action, ability in ACTIONS.items()}
#: Templates cannot write `-` or `.` in a name: `grants.queue_retry_all`.
_FLAGS = {action.replace(".", "_").replace("-", "_"): action for action in ACTIONS}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Abilities on the queues whose connection and name fit; `*` stands for any text, `?` for one character."""

    connection: str
    queue: str
    abilities: frozenset[str]

    def fits(self, connection: str, queue: str) -> bool:
        return self.fits_connection(connection) and fits(self.queue, queue)

    def fits_connection(self, connection: str) -> bool:
        return fits(self.connection, connection)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which queues of one connection are seen: those that fit one of these. Equal for all who see the same."""

    patterns: frozenset[str]

    def sees(self, queue: str) -> bool:
        return any(fits(pattern, queue) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Grants:
    """What one person may do on every queue of this connection; `on(queue)` is what they may do on that one."""

    actor: Actor
    #: On every queue of every connection.
    abilities: frozenset[str] = frozenset()
    #: On some. Empty once a queue is told.
    patterns: tuple[Pattern, ...] = ()
    #: The address's, to which `on` and `sees` belong where they are told no other.
    connection: str = DEFAULT_CONNECTION
    queue: str | None = None
    is_staff: bool = False
    #: Queues are seen with their counts, and nothing in them.
    only_counts: bool = False
    _known: dict[tuple[str, str], Grants] = field(default_factory=dict, compare=False, repr=False)
    _sights: dict[str, Sight] = field(default_factory=dict, compare=False, repr=False)

    @property
    def may_see(self) -> bool:
        """Whether there is any queue, on any connection, that this person may look at."""
        return "view" in self.abilities or any("view" in pattern.abilities for pattern in self.patterns)

    @property
    def sees_all(self) -> bool:
        return "view" in self.abilities

    def sight(self, connection: str | None = None) -> Sight | None:
        """What is seen of a connection, for those who are told of changes; None where it is everything."""
        if self.sees_all:
            return None
        place = _plain(connection or self.connection)
        if place not in self._sights:
            seen = [p for p in self.patterns if "view" in p.abilities and p.fits_connection(place)]
            self._sights[place] = Sight(frozenset(pattern.queue for pattern in seen))
        return self._sights[place]

    def sees(self, queue: str, connection: str | None = None) -> bool:
        """Whether the queue exists for this person at all."""
        sight = self.sight(connection)
        return sight is None or sight.sees(queue)

    def require_sight(self, queue: str, connection: str | None = None) -> None:
        """Raises QueueNotFound, as for a queue that does not exist, where `sees` says no."""
        if not self.sees(queue, connection):
            raise QueueNotFound(queue)

    def at(self, connection: str) -> Grants:
        """The same person's, on another connection."""
        return replace(self, connection=connection, _known={}, _sights={})

    def on(self, queue: str, connection: str | None = None) -> Grants:
        """What of this holds for that queue; `request.grants.on(queue.name).require("job.retry")`."""
        place = _plain(connection or self.connection), queue
        if place not in self._known:
            given = [pattern.abilities for pattern in self.patterns if pattern.fits(*place)]
            abilities = self.abilities.union(*given)
            # What is not seen is not there to be acted on.
            held = abilities if "view" in abilities else frozenset()
            self._known[place] = replace(self, abilities=held, patterns=(), queue=queue, _known={}, _sights={})
        return self._known[place]

    @property
    def anywhere(self) -> Grants:
        """Whatever is held on some queue at least: whether to show a link, never whether to act."""
        return replace(
            self, abilities=self.abilities.union(*(p.abilities for p in self.patterns)), _known={}, _sights={}
        )

    def may(self, action: str) -> bool:
        """`may("job.retry")`; an action that no ability names is nobody's."""
        return self._holds(action) and refusal_of(action, self.queue) is None

    def require(self, action: str) -> None:
        """Raises Forbidden or ReadOnly, with the sentence, where `may` says no."""
        if error := self.refusal(action):
            raise error

    def refusal(self, action: str) -> TorilError | None:
        """Why not, or None."""
        if self._holds(action):
            return refusal_of(action, self.queue)
        needed = PERMISSIONS.get(action, action)
        return Forbidden(
            _("Your account may not do this: it needs the permission “%(permission)s”.") % {"permission": needed}
        )

    def _holds(self, action: str) -> bool:
        return ACTIONS.get(action) in self.abilities and (not self.only_counts or action == "queue.view")

    def __getattr__(self, name: str) -> bool:
        try:
            return self.may(_FLAGS[name])
        except KeyError:
            raise AttributeError(name) from None


def _plain(connection: str) -> str:
    """Jobs in process have a connection of their own in SQL; addresses and grants know the default one."""
    return DEFAULT_CONNECTION if connection == LOCAL_CONNECTION else connection


def grants_of(user: User | AnonymousUser, connection: str = DEFAULT_CONNECTION) -> Grants:
    """Asks the database for the permissions and patterns of staff who are not superusers."""
    if not (user.is_authenticated and user.is_active):
        return Grants(Actor(None, ""), connection=connection)
    actor = Actor(user.pk, user.get_username())
    if not user.is_staff:
        return Grants(actor, connection=connection)
    if user.is_superuser:
        return Grants(actor, frozenset(ABILITIES), connection=connection, is_staff=True)
    held = user.get_all_permissions()
    abilities = frozenset(ability for ability in ABILITIES if permission(ability) in held)
    return Grants(actor, abilities, _patterns(user), connection, is_staff=True)


def _patterns(user: User) -> tuple[Pattern, ...]:
    rows = QueueGrant.objects.filter(Q(user=user) | Q(group__user=user)).order_by("pk")
    return tuple(
        Pattern(connection, queue, frozenset(ABILITIES) & frozenset(abilities if isinstance(abilities, list) else ()))
        for connection, queue, abilities in rows.values_list("connection", "queue", "abilities")
    )
