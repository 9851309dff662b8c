"""From a request's headers and cookies to who asks: key, token, or session, in this order and never two of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from django.conf import settings
from django.utils.translation import gettext as _

from dashboard.credentials import keys, tokens
from dashboard.credentials.guesses import guesses
from dashboard.credentials.identity import Credential, Identity, Kind
from dashboard.credentials.sessions import Visitor, visitor
from queues.errors import Unauthorized

#: Longer than any key, and than a token needs to be.
MOST_CHARS = 16_384
#: How often a stream asks `recheck` at most; with `keys.KNOWN_S` a revoked key is out within 5 s.
RECHECK_S = 3.0


async def identify(
    headers: Mapping[str, str], cookies: Mapping[str, str], *, token: str = "", place: str = ""
) -> Identity:
    """Who asks: by `Authorization: Bearer <key or token>`, `X-API-Key: <key>`, `token` (of a socket's address: a JWT,
    for a key would stay in logs), else by the session. With one of the first three no cookie is read.

    Headers' names are in lower case, or their case does not matter. `place`: where it comes from, whose wrong ones are
    counted. Raises Unauthorized, TooManyRequests. Whoever is known and may see nothing is told too: `grants.may_see`
    says so.
    """
    shown = _shown(headers, token)
    if shown is not None:
        return await _counted(*shown, place)
    found = await visitor(cookies.get(settings.SESSION_COOKIE_NAME))
    if not found.is_signed_in:
        raise missing()
    return of_visitor(found)


async def recheck(identity: Identity) -> Identity | None:
    """The same one as they are now, or None where they are let in no longer. For streams, each RECHECK_S."""
    if identity.expires_at is not None and identity.expires_at <= datetime.now(UTC):
        return None
    credential = identity.credential
    if credential.kind is Kind.KEY:
        return await keys.holder(credential)
    if credential.kind is Kind.SESSION:
        found = await visitor(credential.id, does_something=False)
        return of_visitor(found) if found.is_signed_in else None
    return identity


def of_visitor(found: Visitor) -> Identity:
    """A person's, by their session."""
    credential = Credential(Kind.SESSION, found.session.session_key or "")
    return Identity(found.grants, f"user:{found.user.pk}", credential)


def shows_credential(headers: Mapping[str, str]) -> bool:
    """Whether it says itself who it is: then its cookies count for nothing."""
    return _bearer(headers) is not None or headers.get("x-api-key") is not None


def missing() -> Unauthorized:
    return Unauthorized(_("Say who you are: with an API key, a token or a session."), "credentials_missing")


def invalid() -> Unauthorized:
    return Unauthorized(_("This credential is not valid."), "credentials_invalid")


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _space, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _shown(headers: Mapping[str, str], token: str) -> tuple[str, bool] | None:
    """What is shown, and whether it may be a key; None where it is nothing."""
    bearer, key = _bearer(headers), headers.get("x-api-key")
    if bearer is not None and key is not None and bearer != key:
        raise Unauthorized(_("Two credentials were shown: which one is meant is anyone's guess."), "credentials_twice")
    if (value := bearer if bearer is not None else key) is not None:
        return value, True
    return (token, False) if token else None


async def _counted(shown: str, may_be_key: bool, place: str) -> Identity:
    guesses.check(place, shown)
    try:
        identity = await _by(shown, may_be_key)
    except Unauthorized:
        guesses.failed(place)
        raise
    guesses.good(shown)
    return identity


async def _by(shown: str, may_be_key: bool) -> Identity:
    if len(shown) > MOST_CHARS or not shown.isascii():
        raise invalid()
    if not keys.looks_like_key(shown):
        return await tokens.bearer(shown)
    if not may_be_key:
        raise Unauthorized(_("An API key belongs in a header: addresses stay in logs."), "key_in_address")
    credential = keys.read(shown)
    identity = await keys.holder(credential) if credential else None
    if identity is None:
        raise invalid()
    return identity
