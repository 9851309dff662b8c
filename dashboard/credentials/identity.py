"""What is known of whoever asks, whatever they showed: a value, with nothing secret in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dashboard.grants import Grants
from queues.actions.actor import Actor
from queues.options.credentials import Rate


class Kind(StrEnum):
    NOBODY = "nobody"
    SESSION = "session"
    KEY = "key"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Credential:
    """By what somebody was known, so that it can be asked again. No key and no token is in it."""

    kind: Kind
    #: A session's key; or a key's public id.
    id: str = field(default="", repr=False)
    digest: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, and what they may. `caller` is stable over rotations, sign-ins and renamings: what somebody owns is
    kept under it.
    """

    grants: Grants
    #: `user:7`, `key:3`, `jwt:<issuer>|<subject>`; empty: nobody.
    caller: str
    credential: Credential
    #: Fields of a job's data, and the values to which its holder is bound. Empty: not bound.
    own: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    #: Its own, where it has one.
    rate: Rate | None = None

    @property
    def uses_cookies(self) -> bool:
        """Whether a browser sends it by itself: then a CSRF token is asked of what changes anything."""
        return self.credential.kind in (Kind.SESSION, Kind.NOBODY)


NOBODY = Identity(Grants(Actor(None, "")), "", Credential(Kind.NOBODY))
