"""JSON Web Tokens that other systems sign: who their bearer is, and what these claims give.

Only what the settings name is believed: one family of algorithms, keys from one place, never what a token says of its
own key.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any

import jwt
import structlog
from django.utils.translation import gettext as _

from dashboard.credentials.claims import grants_from, own_from
from dashboard.credentials.identity import Credential, Identity, Kind
from dashboard.credentials.keysets import source_of
from queues.errors import Unauthorized
from queues.options import get_options
from queues.options.tokens import Issuer

log = structlog.get_logger("toril.credentials")

#: What a token may not say of itself: where its key is, or what of its meaning must not be overlooked.
_REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_TYPES = frozenset({"", "jwt", "at+jwt"})
_LONGEST = 255
_REQUIRED = ["exp", "iss", "aud", "sub"]
#: What a library may stumble over in what a stranger sends.
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class _Refused(Exception):
    """Why, for the log alone."""


async def bearer(token: str) -> Identity:
    """Raises Unauthorized for whatever is no living token of a configured issuer; which part is wrong is not told."""
    try:
        issuer, header = _issuer_of(token), jwt.get_unverified_header(token)
        key = await source_of(issuer).key(_checked(header, issuer))
        if key is None:
            raise _Refused("no key of that name")
        return _identity(_claims(token, key, issuer), issuer)
    except (_Refused, *_UNREADABLE) as error:
        log.info("token refused", why=f"{type(error).__name__}: {error}"[:200])
        raise Unauthorized(_("This credential is not valid."), "credentials_invalid") from None


def _issuer_of(token: str) -> Issuer:
    """By what it claims; the signature is checked with that issuer's keys and no other's."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise _Refused("not of three parts")
    claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    named = claims.get("iss")
    for issuer in get_options().credentials.issuers:
        if named == issuer.name:
            return issuer
    raise _Refused("an issuer that is not configured")


def _checked(header: dict[str, Any], issuer: Issuer) -> str | None:
    """Its key's name, where its header says nothing that is not to be said."""
    if header.get("alg") not in issuer.algorithms:
        raise _Refused("another algorithm")
    if refused := sorted(_REFUSED_HEADERS & header.keys()):
        raise _Refused(f"its header holds {refused[0]}")
    told = str(header.get("typ", "")).lower()
    if told != issuer.type.lower() if issuer.type else told not in _TYPES:
        raise _Refused("another type")
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > _LONGEST):
        raise _Refused("no name of a key")
    return kid


def _claims(token: str, key: Any, issuer: Issuer) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=list(issuer.algorithms),
        audience=list(issuer.audience),
        issuer=issuer.name,
        leeway=issuer.leeway_s,
        options={"require": _REQUIRED, "strict_aud": False},
    )
    for name in ("exp", "nbf", "iat"):
        # The library takes "12" and 1.5 for moments; nobody honest sends them.
        if name in claims and type(claims[name]) is not int:
            raise _Refused(f"{name} is no whole number")
    if claims["exp"] > datetime.now(UTC).timestamp() + issuer.most_lifetime_s + issuer.leeway_s:
        raise _Refused("it lives too long")
    return claims


def _identity(claims: dict[str, Any], issuer: Issuer) -> Identity:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST or not subject.isprintable():
        raise _Refused("no subject")
    own = own_from(claims, issuer)
    if own is None:
        raise _Refused("a claim to which its bearer is bound is missing")
    ends = datetime.fromtimestamp(claims["exp"] + issuer.leeway_s, UTC)
    return Identity(
        grants_from(claims, issuer), f"jwt:{issuer.name}|{subject}", Credential(Kind.TOKEN), own=own, expires_at=ends
    )
