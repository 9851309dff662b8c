"""`TORIL["CONNECTIONS"]`, from what was written to checked values. No sentence shows a password."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from queues.errors import ConfigurationError
from queues.options.reading import boolean, mapping, refuse_unknown, text
from queues.options.values import DEFAULT_PREFIX, DEFAULT_URL, LOCAL_CONNECTION, ConnectionOptions

TOPOLOGIES = ("single", "sentinel", "cluster")
#: `redis://a:1,redis://b:2` is written too.
_NEXT_URL = re.compile(r",(?=(?:redis|rediss)://)")
#: What each key is read by, beside URL and PREFIX; nothing is said where it is empty.
_READERS: dict[str, Callable[[str, Any], Any]] = {
    "TOPOLOGY": lambda where, given: topology(where, given),
    "SENTINEL_MASTER": text, "SENTINEL_USERNAME": text, "SENTINEL_PASSWORD": lambda where, given: str(given),
    "SENTINEL_TLS": boolean, "TLS_CA": text, "TLS_CERT": text, "TLS_KEY": text, "TLS_CHECK_HOSTNAME": boolean,
}  # fmt: skip
#: Who says one of these means Sentinel.
_OF_SENTINELS = {"SENTINEL_MASTER", "SENTINEL_USERNAME", "SENTINEL_PASSWORD", "SENTINEL_TLS"}


def connection(name: str, value: Any) -> ConnectionOptions:
    where = f"TORIL['CONNECTIONS'][{name!r}]"
    value = mapping(where, value, "a dict with URL and PREFIX")
    if not isinstance(name, str) or not name or len(name) > 64:
        raise ConfigurationError(f"{where}: a connection's name is a text of 1 to 64 characters.")
    if name == LOCAL_CONNECTION:
        raise ConfigurationError(f"{where}: this name is kept for jobs that run in process.")
    refuse_unknown(where, value, {"URL", "PREFIX", *_READERS})
    url = checked_url(f"{where}['URL']", str(value.get("URL", DEFAULT_URL)))
    prefix = str(value.get("PREFIX", DEFAULT_PREFIX))
    if not prefix:
        raise ConfigurationError(f"{where}['PREFIX'] is empty.")
    told = {key: _READERS[key](f"{where}[{key!r}]", given) for key, given in value.items() if _is_said(key, given)}
    if _OF_SENTINELS & told.keys():
        told.setdefault("TOPOLOGY", "sentinel")
    made = ConnectionOptions(name, url, prefix, **{key.lower(): given for key, given in told.items()})
    _agree(where, made)
    return made


def _is_said(key: str, given: Any) -> bool:
    return key in _READERS and given not in ("", None)


def _agree(where: str, made: ConnectionOptions) -> None:
    if made.topology == "single" and len(made.hosts) > 1:
        raise ConfigurationError(f"{where}['URL'] lists several hosts, and TOPOLOGY says that there is one.")
    is_socket = made.url.startswith("unix://")
    if made.topology in ("sentinel", "cluster") and is_socket:
        raise ConfigurationError(f"{where}: a socket file is one server, no {made.topology}.")
    if made.tls_key and not made.tls_cert:
        raise ConfigurationError(f"{where}['TLS_KEY'] is set without TLS_CERT.")
    over_tls = made.url.startswith("rediss://") or made.sentinel_tls
    if not over_tls and (made.tls_ca or made.tls_cert):
        raise ConfigurationError(f"{where} names files for TLS, and its URL does not begin with rediss://.")
    if made.topology == "cluster" and urlsplit(made.url).path.strip("/") not in ("", "0"):
        raise ConfigurationError(f"{where}['URL'] names a database; a Cluster has only 0.")


def topology(where: str, given: Any) -> str:
    said = str(given).strip().lower()
    if said not in TOPOLOGIES:
        raise ConfigurationError(f"{where} must be one of {', '.join(TOPOLOGIES)}, not {given!r}.")
    return said


def checked_url(where: str, url: str) -> str:
    """The URL, as one: several of them become one with several hosts. A sentence never repeats it: a password may
    stand in it.
    """
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ConfigurationError(f"{where} must begin with redis://, rediss:// or unix://.")
    first, *others = _NEXT_URL.split(url)
    try:
        return _joined(where, first, others)
    except ValueError:
        raise ConfigurationError(f"{where} has a host or a port (1 to 65535) that cannot be read.") from None


def _joined(where: str, first: str, others: list[str]) -> str:
    parts = urlsplit(first)
    if parts.scheme == "unix":
        if not parts.path:
            raise ConfigurationError(f"{where} names no socket file.")
        return first
    login, at, places = parts.netloc.rpartition("@")
    hosts = places.split(",")
    for other in map(urlsplit, others):
        if (other.scheme, other.path or parts.path, other.query or parts.query) != (parts[0], parts[2], parts[3]):
            raise ConfigurationError(f"{where} lists URLs that differ in more than their hosts.")
        theirs, _, more = other.netloc.rpartition("@")
        if theirs not in ("", login):
            raise ConfigurationError(f"{where} lists URLs with different passwords; say it once.")
        hosts += more.split(",")
    for host in hosts:
        _check_host(where, host)
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise ConfigurationError(f"{where} ends with a database that is not a number.")
    return parts._replace(netloc=f"{login}{at}{','.join(hosts)}").geturl() if others else first


def _check_host(where: str, host: str) -> None:
    """Raises ValueError for what cannot be read."""
    parts = urlsplit(f"redis://{host}")
    if not parts.hostname or parts.port == 0:
        raise ConfigurationError(f"{where} names no host, or port 0.")
