"""The keys by which an issuer's tokens are checked: from the settings, a file, or its address; kept, and bounded."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.utils.translation import gettext as _

from queues.errors import Unauthorized
from queues.options.tokens import Issuer, least_bytes

log = structlog.get_logger("toril.credentials")

#: A file is looked at again, and an address asked again, after so long; sooner for a key that is not known, and for the
#: very first.
FRESH_S, SOONER_S, FIRST_S = 300.0, 30.0, 3.0
#: An issuer that does not answer is believed by what it said last for so long.
STALE_S = 86_400.0
FETCH_S = 5.0
MOST_BYTES, MOST_KEYS = 256 * 1024, 100
LEAST_RSA_BITS = 2_048


@dataclass(frozen=True, slots=True)
class Keys:
    """By their `kid`; a single key without one stands for all."""

    named: Mapping[str, Any] = field(default_factory=dict)
    single: Any = None

    def of(self, kid: str | None) -> Any:
        if kid is not None and kid in self.named:
            return self.named[kid]
        if self.single is not None:
            return self.single
        only = list(self.named.values())
        return only[0] if kid is None and len(only) == 1 else None


class KeysUnavailable(Unauthorized):
    """The issuer's keys were never read: whether the token is good cannot be known."""

    status = 503

    def __init__(self) -> None:
        super().__init__(_("Tokens cannot be checked now: their issuer's keys cannot be read."), "keys_unavailable")


class KeySource:
    """The keys of one issuer; `await keys(kid)` is what is known, asked for anew where it is old or lacks that key."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self._keys = Keys()
        self._got_at = self._tried_at = float("-inf")
        self._asking = asyncio.Lock()

    async def key(self, kid: str | None) -> Any:
        """None where there is none of that name. Raises KeysUnavailable where there are none, or too old ones."""
        # Who needs a key that is just being asked for waits for the answer; who has it goes on.
        if self._is_due(kid) or (self._asking.locked() and self._keys.of(kid) is None):
            async with self._asking:
                if self._is_due(kid):
                    self._tried_at = time.monotonic()
                    await self._renew()
        if time.monotonic() - self._got_at >= STALE_S:
            raise KeysUnavailable
        return self._keys.of(kid)

    def _is_due(self, kid: str | None) -> bool:
        """Strangers name keys as they like: none of them makes us ask more often than SOONER_S."""
        has_none = self._got_at == float("-inf")
        wait_s = FIRST_S if has_none else FRESH_S if self._keys.of(kid) is not None else SOONER_S
        return time.monotonic() - self._tried_at >= wait_s

    async def _renew(self) -> None:
        try:
            text = await fetched(self.issuer.jwks_url) if self.issuer.jwks_url else _written(self.issuer)
            self._keys = parsed(text, self.issuer)
            self._got_at = time.monotonic()
        except (OSError, httpx.HTTPError, jwt.PyJWTError, ValueError, RecursionError) as error:
            log.error("the keys of an issuer could not be read", issuer=self.issuer.name, error=str(error)[:500])


@cache
def source_of(issuer: Issuer) -> KeySource:
    return KeySource(issuer)


def forget() -> None:
    """For tests, and for settings that change."""
    source_of.cache_clear()


async def fetched(url: str) -> str:
    """At most MOST_BYTES within FETCH_S; redirects are not followed."""
    async with (
        asyncio.timeout(FETCH_S),
        httpx.AsyncClient(follow_redirects=False, trust_env=True) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
    ):
        answer.raise_for_status()
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError(f"the key set has more than {MOST_BYTES:,} bytes")
    return body.decode()


def _written(issuer: Issuer) -> str:
    if issuer.key:
        return issuer.key
    with Path(issuer.key_file).open(encoding="utf-8") as file:
        return file.read(MOST_BYTES)


def parsed(text: str, issuer: Issuer) -> Keys:
    """A key set, or one key: a PEM, or the secret itself. Raises ValueError or PyJWTError where it is neither."""
    if text.lstrip().startswith("{"):
        return _set(json.loads(text), issuer)
    algorithm = jwt.get_algorithm_by_name(issuer.algorithms[0])
    if issuer.family == "oct":
        secret = text.strip().encode()
        return Keys(single=_strong(algorithm.prepare_key(secret), issuer))
    return Keys(single=_strong(algorithm.prepare_key(text), issuer))


def _set(told: Any, issuer: Issuer) -> Keys:
    keys = told.get("keys", [told] if "kty" in told else None)
    if not isinstance(keys, list):
        raise ValueError("a key set has a list of keys")
    usable = [(each, _read(each, issuer)) for each in keys[:MOST_KEYS] if _is_usable(each, issuer)]
    found = [(each, key) for each, key in usable if key is not None]
    if not found:
        raise ValueError(f"no key of the set is a {issuer.family} key for {', '.join(issuer.algorithms)}")
    named = {each["kid"]: key for each, key in found if isinstance(each.get("kid"), str)}
    return Keys(named) if named else Keys(single=found[0][1] if len(found) == 1 else None)


def _is_usable(told: Any, issuer: Issuer) -> bool:
    """Of the issuer's one kind, and for signatures."""
    if not isinstance(told, dict) or told.get("kty") != issuer.family:
        return False
    return told.get("use", "sig") == "sig" and told.get("alg", issuer.algorithms[0]) in issuer.algorithms


def _read(told: dict[str, Any], issuer: Issuer) -> Any:
    """None for a key that cannot be read: the others of its set are none the worse for it."""
    try:
        key = jwt.get_algorithm_by_name(told.get("alg", issuer.algorithms[0])).from_jwk(told)
        return _strong(key, issuer)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        named, why = str(told.get("kid"))[:100], type(error).__name__
        log.warning("a key of a key set is left out", issuer=issuer.name, kid=named, why=why)
        return None


def _strong(key: Any, issuer: Issuer) -> Any:
    # A set may hold a signer's private keys by mistake; only their public halves are kept.
    key = key.public_key() if hasattr(key, "public_key") else key
    if isinstance(key, bytes) and len(key) < (least := least_bytes(issuer.algorithms)):
        raise ValueError(f"the secret has fewer than {least} bytes")
    if isinstance(key, RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        raise ValueError(f"the RSA key has fewer than {LEAST_RSA_BITS:,} bits")
    return key
