"""Where a webhook may go: an URL is read strictly, its host resolved, and every address looked at before a connection.

Private, loopback, link-local, shared, metadata and translated addresses are refused unless the settings allow them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import idna
from django.utils.translation import gettext as _

from queues.errors import InvalidInput
from queues.options import get_options
from queues.options.webhooks import Network

Address = IPv4Address | IPv6Address
PORTS = {"http": 80, "https": 443}
LONGEST = 2_048
#: What Python counts as global, or not always as anything else: relays and translations that lead to addresses inside,
#: networks for tests, sites, multicast.
NEVER = tuple(
    map(
        ip_network,
        "0.0.0.0/8 100.64.0.0/10 168.63.129.16/32 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 224.0.0.0/3 64:ff9b::/96"
        " 64:ff9b:1::/48 100::/64 2001::/23 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 ::/96"
        " ::ffff:0:0/96".split(),
    )
)
#: A name that the settings allow may lead inside, but to no address that gives a machine's keys to whoever asks.
METADATA = tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10", "168.63.129.16/32", "fd00:ec2::/32")))
#: A name server that hangs must not keep others from asking: the loop's own threads are few.
_RESOLVING = ThreadPoolExecutor(16, thread_name_prefix="webhook-dns")


class AddressRefused(InvalidInput):
    """The URL cannot be used, or leads to where webhooks do not go; nothing was connected to."""

    code = "address_refused"


class Unresolved(InvalidInput):
    """The name is not known, now."""

    code = "address_unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """An URL that was read; `host` in ASCII, as it is resolved and as its certificate must say."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """For the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def read(url: str) -> Place:
    """Raises AddressRefused. Nothing is resolved."""
    if len(url) > LONGEST or any(ord(c) <= 32 or ord(c) == 127 or c == "\\" for c in url):
        raise AddressRefused(_("An address has at most 2,048 characters, and no spaces or backslashes."))
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise AddressRefused(_("This address cannot be read.")) from None
    if parts.scheme not in PORTS or not parts.netloc:
        raise AddressRefused(_("A webhook’s address begins with https://, or http:// where the settings allow it."))
    if "@" in parts.netloc:
        raise AddressRefused(_("An address with a user or password in it is not used: what is sent is signed."))
    if "%" in parts.netloc or port == 0:
        raise AddressRefused(_("The host or port of this address cannot be read."))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        raise AddressRefused(_("Write the address’s path in ASCII, other characters percent-encoded."))
    return Place(parts.scheme, _ascii(host), port or PORTS[parts.scheme], target)


def _ascii(host: str) -> str:
    """Raises AddressRefused. Look-alikes of digits and dots become what they look like before they are looked at."""
    if ":" in host:
        return host
    try:
        found = idna.encode(host, uts46=True).decode() if not host.isascii() else host.lower()
    except (idna.IDNAError, UnicodeError):
        found = ""
    if not found.strip(".") or len(found) > 253:
        raise AddressRefused(_("This address names no host."))
    return found


async def checked(place: Place) -> list[str]:
    """The addresses of its host, each of which may be connected to. Raises AddressRefused, Unresolved."""
    found = await _resolved(place)
    for address in found:
        if not is_open(place, address):
            raise AddressRefused(_refusal(place, address))
    return [str(address) for address in found]


async def _resolved(place: Place) -> list[Address]:
    asked = asyncio.get_running_loop().run_in_executor(_RESOLVING, _look_up, place.host, place.port)
    try:
        found = await asked
    except (OSError, UnicodeError):
        raise Unresolved(_("The host “%(host)s” is not known.") % {"host": place.host}) from None
    return list(dict.fromkeys(found))


def _look_up(host: str, port: int) -> list[Address]:
    told = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(entry[4][0]) for entry in told]


def is_open(place: Place, address: Address) -> bool:
    """Whether this host may be reached at this address."""
    options, plain = get_options().webhooks, meant(address)
    if is_within(options.allow.networks, plain):
        return True
    if {place.host, f"{place.host}:{place.port}"} & options.allow.hosts:
        return not is_within(METADATA, plain)
    if place.port not in options.ports or (options.https_only and place.scheme != "https"):
        return False
    return plain.is_global and not plain.is_multicast and not is_within(NEVER, plain)


def meant(address: Address) -> Address:
    """::ffff:127.0.0.1 is 127.0.0.1."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def is_within(networks: Iterable[Network], address: Address) -> bool:
    return any(network.version == address.version and address in network for network in networks)


def _refusal(place: Place, address: Address) -> str:
    options = get_options().webhooks
    if options.https_only and place.scheme != "https":
        return _(
            "It begins with http://; webhooks go by https:// unless the settings allow the host (WEBHOOKS, ALLOW)."
        )
    if place.port not in options.ports:
        return _("Port %(port)s is not one that webhooks go to (WEBHOOKS, PORTS).") % {"port": place.port}
    # Which address a name has inside is nobody's business who does not know it.
    return _(
        "“%(host)s” leads to an address that webhooks do not go to, private, local or reserved, unless the settings "
        "allow the host (WEBHOOKS, ALLOW)."
    ) % {"host": place.host}
