"""`TORIL["METRICS"]`: who may read `/metrics`, and what it shows. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from queues.errors import ConfigurationError
from queues.options.reading import mapping, names, refuse_unknown

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class MetricsOptions:
    """What Prometheus reads: by whom without a credential, and of which queues."""

    networks: tuple[Network, ...] = ()
    queues: tuple[str, ...] = ("*",)

    def trusts(self, address: str) -> bool:
        """Whether whoever connects from there needs no credential; what is no address is trusted by nobody."""
        if not self.networks:
            return False
        try:
            # An IPv4 address as an IPv6 socket names it is that address; a zone says only by which way it came.
            told = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        told = getattr(told, "ipv4_mapped", None) or told
        return any(told in network for network in self.networks)

    def shows(self, queue: str) -> bool:
        return any(fnmatchcase(queue, pattern) for pattern in self.queues)


def metrics(value: Any) -> MetricsOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['METRICS']"
    value = mapping(where, value)
    refuse_unknown(where, value, {"NETWORKS", "QUEUES"})
    trusted = names(f"{where}['NETWORKS']", value.get("NETWORKS", ()))
    return MetricsOptions(
        tuple(_network(f"{where}['NETWORKS']", told) for told in trusted),
        names(f"{where}['QUEUES']", value.get("QUEUES", ("*",))),
    )


def _network(where: str, told: str) -> Network:
    try:
        return ip_network(told)
    except ValueError as error:
        raise ConfigurationError(f"{where} must be networks like 10.0.0.0/8 or addresses: {error}.") from None
