"""Where a request comes from, and whether whoever handed it on is one of our own proxies: `TRUSTED_PROXIES`.

What others say of themselves (`X-Forwarded-For`, `X-Forwarded-Proto`, a name to sign in with) is not believed.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

#: What proxies add. It is nobody's word about himself: whoever adds it without need is trusted less, never more.
_SIGNS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST",
          "HTTP_X_REAL_IP", "HTTP_VIA")  # fmt: skip
#: Where in `META` it stays known that there were such, after they were taken away.
_STRIPPED = "toril.was_handed_on"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: A proxy on this machine that comes through a Unix socket has no address.
UNIX = "unix"
#: Where `HTTPS` says that there is a proxy and nothing says which: one on this machine or in a private network.
PRIVATE = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", UNIX,
)  # fmt: skip


def is_trusted(peer: str) -> bool:
    """Whether the machine at the other end of the connection is a proxy of ours."""
    networks = _networks(_told())
    if not peer:
        return UNIX in _told()
    address = _parsed(peer)
    return address is not None and any(address in network for network in networks)


def address_of(request: HttpRequest) -> str:
    """Where a person or program is, as it is counted: an IPv4 address, an IPv6 /64, or `unknown`."""
    return place_of(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR", ""))


def place_of(peer: str, forwarded: str) -> str:
    """The nearest machine that is no proxy of ours: what stands left of it in X-Forwarded-For is its own word."""
    nearest = peer
    for told in reversed(forwarded.split(",") if forwarded else []):
        if not is_trusted(nearest) or _parsed(told) is None:
            break
        nearest = told
    address = _parsed(nearest)
    if isinstance(address, ipaddress.IPv6Address):
        # One customer holds a whole /64.
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address or "unknown")


def strip_strangers_word(request: HttpRequest) -> None:
    """Takes away what only our proxies may say, where it does not come from one. Before anything reads it."""
    if not is_trusted(request.META.get("REMOTE_ADDR") or ""):
        request.META[_STRIPPED] = was_handed_on(request)
        for name in ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR"):
            request.META.pop(name, None)


def was_handed_on(request: HttpRequest) -> bool:
    """Whether a proxy stands between, ours or not: then the machine that connects is not the one that asks."""
    return bool(request.META.get(_STRIPPED)) or any(name in request.META for name in _SIGNS)


def _told() -> tuple[str, ...]:
    told = getattr(settings, "TRUSTED_PROXIES", None)
    if told:
        return tuple(told)
    return PRIVATE if getattr(settings, "HTTPS", False) else ()


@lru_cache(maxsize=8)
def _networks(told: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(each, strict=False) for each in told if each != UNIX)


def _parsed(text: str) -> Address | None:
    """Also of `203.0.113.9:4711` and `[2001:db8::1]:4711`, as some proxies write it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
