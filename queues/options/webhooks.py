"""`TORIL["WEBHOOKS"]`: where webhooks may go, and how long they are tried. Checked key by key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from queues.errors import ConfigurationError
from queues.options.reading import boolean, integer, mapping, names, refuse_unknown

Network = IPv4Network | IPv6Network

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*(:\d{1,5})?")
LONGEST_WAIT_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be reached although it is no public address, also by http and on any port: hosts, `host` or `host:port`,
    and networks.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True)
class WebhookOptions:
    """What the sender of webhooks may do."""

    allow: Allowed = field(default_factory=Allowed)
    #: Ports of public addresses; and whether these are reached by https alone.
    ports: tuple[int, ...] = (80, 443, 8080, 8443)
    https_only: bool = True
    #: For one attempt in all; of it at most 5 s to connect.
    timeout_s: int = 15
    #: How long after each failed attempt the next is made; after the last of these the delivery is given up.
    retries_s: tuple[int, ...] = (
        5, 5 * MINUTE_S, 30 * MINUTE_S, 2 * HOUR_S, 5 * HOUR_S, 10 * HOUR_S, 14 * HOUR_S, 20 * HOUR_S, DAY_S,
    )  # fmt: skip
    #: An endpoint that failed for so long without a success is disabled.
    disable_after_h: int = 120
    #: How long deliveries are listed after they ended; an ending that is older is not told any more.
    keep_days: int = 30
    #: An endpoint for which more deliveries wait is disabled.
    most_waiting: int = 100_000


def webhooks(value: Any) -> WebhookOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['WEBHOOKS']"
    value = mapping(where, value)
    refuse_unknown(where, value, set(_READERS))
    return WebhookOptions(**{key.lower(): _READERS[key](f"{where}[{key!r}]", given) for key, given in value.items()})


def _allow(where: str, value: Any) -> Allowed:
    hosts, networks = set(), []
    for one in names(where, value):
        told = one.strip().lower()
        if network := _network(told):
            networks.append(network)
        elif _HOST.fullmatch(told):
            hosts.add(told)
        else:
            raise ConfigurationError(f"{where}: {one!r} is neither a host, host:port nor a network such as 10.0.0.0/8.")
    return Allowed(frozenset(hosts), tuple(networks))


def _network(told: str) -> Network | None:
    try:
        return ip_network(told)
    except ValueError:
        return None


def _whole_numbers(least: int, most: int, fewest: int = 0) -> Callable[[str, Any], tuple[int, ...]]:
    def read(where: str, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or not fewest <= len(value) <= 30:
            raise ConfigurationError(f"{where} must be a list of {fewest} to 30 whole numbers.")
        return tuple(integer(where, one, least, most) for one in value)

    return read


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    return lambda where, value: integer(where, value, least, most)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "ALLOW": _allow,
    "PORTS": _whole_numbers(1, 65_535, 1),
    "HTTPS_ONLY": boolean,
    "TIMEOUT_S": _whole(1, 60),
    "RETRIES_S": _whole_numbers(0, LONGEST_WAIT_S),
    "DISABLE_AFTER_H": _whole(1, 8_760),
    "KEEP_DAYS": _whole(1, 3_650),
    "MOST_WAITING": _whole(100, 10_000_000),
}
