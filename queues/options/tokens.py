"""`TORIL["CREDENTIALS"]["JWT"]`: who signs tokens, by which keys they are checked, and what their claims give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from queues.abilities import ABILITIES, ROLES
from queues.errors import ConfigurationError
from queues.options.reading import integer, mapping, names, refuse_unknown, text

#: The algorithms of one family use one kind of key. No list holds two of them, so that none is taken for another's.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "oct": ("HS256", "HS384", "HS512"),
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
_SOURCES = ("KEY", "KEY_FILE", "JWKS_URL")
_KNOWN = {
    "ALGORITHMS", "ABILITIES_CLAIM", "AUDIENCE", "GIVES", "ISSUER", "LEEWAY_S", "MOST_LIFETIME_S", "OWN",
    "QUEUES_CLAIM", "ROLE_CLAIM", "ROLES", "TYPE", *_SOURCES,
}  # fmt: skip
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[?::1\]?")


@dataclass(frozen=True, slots=True)
class Given:
    """Abilities on the queues that fit these patterns: `mails-*`, `replica:mails-*`."""

    abilities: frozenset[str] = frozenset()
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Issuer:
    """One that signs. Nothing that a token claims gives anything, unless it is in the claims that are named here."""

    name: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    #: The kind of key (a JWK's `kty`).
    family: str
    #: One of the three: a secret or a public key in PEM; a file of either or of a key set; a key set's address.
    key: str = field(default="", repr=False)
    key_file: str = ""
    jwks_url: str = ""
    leeway_s: int = 10
    most_lifetime_s: int = 3_600
    #: What the header's `typ` must be; empty: `JWT`, `at+jwt` or none.
    type: str = ""
    #: What each token gives, whatever it claims.
    gives: Given = Given()
    abilities_claim: str = "toril_abilities"
    queues_claim: str = "toril_queues"
    role_claim: str = ""
    roles: tuple[tuple[str, Given], ...] = ()
    #: (field of a job's data, claim): its bearer sees what is their own alone.
    own: tuple[tuple[str, str], ...] = ()


def issuer(where: str, value: Any) -> Issuer:
    """Raises ConfigurationError naming the key; no sentence repeats a secret."""
    value = mapping(where, value)
    refuse_unknown(where, value, _KNOWN)
    algorithms, family = _algorithms(f"{where}['ALGORITHMS']", value.get("ALGORITHMS", ()))
    claims = {
        name: text(f"{where}[{name.upper()!r}]", value[name.upper()])
        for name in ("abilities_claim", "queues_claim", "role_claim", "type")
        if name.upper() in value
    }
    return Issuer(
        _needed(where, value, "ISSUER"),
        _audience(f"{where}['AUDIENCE']", value.get("AUDIENCE", ())),
        algorithms,
        family,
        **_source(where, value, algorithms),
        leeway_s=integer(f"{where}['LEEWAY_S']", value.get("LEEWAY_S", 10), 0, 30),
        most_lifetime_s=integer(f"{where}['MOST_LIFETIME_S']", value.get("MOST_LIFETIME_S", 3_600), 60, 86_400 * 30),
        gives=_given(f"{where}['GIVES']", value.get("GIVES", {})),
        roles=_roles(f"{where}['ROLES']", value.get("ROLES", {})),
        own=_own(f"{where}['OWN']", value.get("OWN", {})),
        **claims,
    )


def _needed(where: str, value: Mapping[str, Any], key: str) -> str:
    found = text(f"{where}[{key!r}]", value.get(key, ""))
    if not found:
        raise ConfigurationError(f"{where} needs {key}: without it any signer's tokens would do.")
    return found


def _audience(where: str, value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else names(where, value)
    if not all(found) or not found:
        raise ConfigurationError(f"{where} must name whom a token is for: other sites' tokens would do without it.")
    return found


def _algorithms(where: str, value: Any) -> tuple[tuple[str, ...], str]:
    told = (value,) if isinstance(value, str) else names(where, value)
    families = [family for family, members in FAMILIES.items() if told and set(told) <= set(members)]
    if not families:
        known = "; ".join(", ".join(members) for members in FAMILIES.values())
        raise ConfigurationError(f"{where} must name algorithms of one family, for one kind of key: {known}.")
    return told, families[0]


def least_bytes(algorithms: tuple[str, ...]) -> int:
    """A shorter secret is guessed from one token (RFC 7518 §3.2)."""
    return max(int(algorithm[2:]) // 8 for algorithm in algorithms)


def _source(where: str, value: Mapping[str, Any], algorithms: tuple[str, ...]) -> dict[str, str]:
    told = [name for name in _SOURCES if value.get(name)]
    if len(told) != 1:
        raise ConfigurationError(f"{where} needs one of KEY, KEY_FILE and JWKS_URL.")
    name, source = told[0], value[told[0]]
    if not isinstance(source, str):
        raise ConfigurationError(f"{where}[{name!r}] must be text.")
    _CHECKS[name](f"{where}[{name!r}]", source, algorithms)
    return {name.lower(): source}


def _is_shared(algorithms: tuple[str, ...]) -> bool:
    return algorithms[0] in FAMILIES["oct"]


def _check_key(where: str, key: str, algorithms: tuple[str, ...]) -> None:
    if _is_shared(algorithms):
        if len(key.encode()) < (least := least_bytes(algorithms)) or "-----BEGIN" in key:
            raise ConfigurationError(f"{where} must be a secret of at least {least} bytes, and no PEM.")
    elif "-----BEGIN PUBLIC KEY-----" not in key:
        raise ConfigurationError(f"{where} must be a public key in PEM; a private one belongs to the signer alone.")


def _check_file(where: str, path: str, algorithms: tuple[str, ...]) -> None:
    if not Path(path).is_file():
        raise ConfigurationError(f"{where} names no file: {path}")


def _check_url(where: str, url: str, algorithms: tuple[str, ...]) -> None:
    if _is_shared(algorithms):
        raise ConfigurationError(f"{where} cannot hold secrets: whoever signs with HS… shares KEY or KEY_FILE.")
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and _LOOPBACK.fullmatch(parts.hostname or ""))
    except ValueError:
        is_safe = False
    if not is_safe or not parts.hostname:
        raise ConfigurationError(f"{where} must be an https:// address: whoever can change its answer can sign tokens.")


_CHECKS = {"KEY": _check_key, "KEY_FILE": _check_file, "JWKS_URL": _check_url}


def abilities(where: str, value: Any) -> frozenset[str]:
    """Names of abilities, or one of the ready-made roles: viewer, operator, admin."""
    if isinstance(value, str):
        if value not in ROLES:
            raise ConfigurationError(f"{where} must be a list of abilities, or one of {', '.join(ROLES)}.")
        return frozenset(ROLES[value])
    found = frozenset(names(where, value))
    if unknown := sorted(found - set(ABILITIES)):
        raise ConfigurationError(f"{where}: there is no ability {unknown[0]!r}; known are {', '.join(ABILITIES)}.")
    return found | {"view"} if found else found


def _given(where: str, value: Any) -> Given:
    value = mapping(where, value)
    refuse_unknown(where, value, {"abilities", "queues"})
    held = abilities(f"{where}['abilities']", value.get("abilities", ()))
    queues = names(f"{where}['queues']", value.get("queues", ()))
    if bool(held) != bool(queues):
        raise ConfigurationError(f"{where} gives nothing without both, abilities and queues.")
    return Given(held, queues)


def _roles(where: str, value: Any) -> tuple[tuple[str, Given], ...]:
    return tuple((str(name), _given(f"{where}[{name!r}]", given)) for name, given in mapping(where, value).items())


def _own(where: str, value: Any) -> tuple[tuple[str, str], ...]:
    value = mapping(where, value, "a dict of fields of a job's data and claims, such as {'userId': 'sub'}")
    if not all(isinstance(part, str) and part for pair in value.items() for part in pair):
        raise ConfigurationError(f"{where} must name fields and claims: {{'userId': 'sub'}}.")
    return tuple(value.items())
