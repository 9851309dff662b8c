"""`TORIL["CREDENTIALS"]`: how programs say who they are: API keys, tokens, their rates. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.errors import ConfigurationError
from queues.options.reading import integer, mapping, refuse_unknown
from queues.options.tokens import Issuer, issuer


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests of one caller in so many seconds, in each web process."""

    most: int = 6_000
    window_s: int = 60


@dataclass(frozen=True)
class Credentials:
    """What programs may show instead of a session."""

    issuers: tuple[Issuer, ...] = ()
    rate: Rate = Rate()
    #: A key that is made lives so long, unless it is told otherwise; and at most so long. None: as long as it likes.
    key_days: int = 90
    most_key_days: int | None = None
    #: After a rotation the older secret opens for so long.
    overlap_hours: int = 24


def credentials(value: Any) -> Credentials:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['CREDENTIALS']"
    value = mapping(where, value)
    refuse_unknown(where, value, {"JWT", "RATE", "KEY_DAYS", "MOST_KEY_DAYS", "OVERLAP_HOURS"})
    return Credentials(
        _issuers(f"{where}['JWT']", value.get("JWT", ())),
        _rate(f"{where}['RATE']", value.get("RATE", {})),
        integer(f"{where}['KEY_DAYS']", value.get("KEY_DAYS", 90), 1, 3_650),
        _most_days(f"{where}['MOST_KEY_DAYS']", value.get("MOST_KEY_DAYS")),
        integer(f"{where}['OVERLAP_HOURS']", value.get("OVERLAP_HOURS", 24), 0, 24 * 90),
    )


def _issuers(where: str, value: Any) -> tuple[Issuer, ...]:
    """One dict, or a list of them: one for each that signs."""
    if isinstance(value, list | tuple):
        found = tuple(issuer(f"{where}[{at}]", each) for at, each in enumerate(value))
    else:
        found = (issuer(where, value),)
    if len({each.name for each in found}) < len(found):
        raise ConfigurationError(f"{where} has two entries of one ISSUER.")
    return found


def _rate(where: str, value: Any) -> Rate:
    value = mapping(where, value)
    refuse_unknown(where, value, {"MAX", "WINDOW_S"})
    most = integer(f"{where}['MAX']", value.get("MAX", Rate().most), 1, 10_000_000)
    return Rate(most, integer(f"{where}['WINDOW_S']", value.get("WINDOW_S", Rate().window_s), 1, 86_400))


def _most_days(where: str, value: Any) -> int | None:
    return None if value is None else integer(where, value, 1, 3_650)
