"""What is told of a provider of sign-in: the setting `OIDC`. How it is asked stands in `openid`, which is loaded where
there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Settings:
    """What `OIDC` says. `groups`: what is claimed → the group that it stands for; empty: the same names."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    name: str = "OpenID"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    user_claim: str = "preferred_username"
    groups_claim: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)


def configured() -> Settings | None:
    """None where people sign in here alone."""
    told = getattr(settings, "OIDC", None)
    return Settings(**{key.lower(): value for key, value in told.items()}) if told else None
