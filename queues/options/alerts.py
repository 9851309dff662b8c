"""`TORIL["ALERTS"]`: rules that say when somebody is told, and how. Checked key by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from queues.errors import ConfigurationError
from queues.options.alert_rules import Rule, built_in, read_rule
from queues.options.reading import boolean, integer, mapping, names, refuse_unknown, text

#: Every webhook whose endpoint asks for alerts is told under this name.
WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class Channel:
    """Mail to these, or a message to this address of a chat (as Slack takes it)."""

    name: str
    mail: tuple[str, ...] = ()
    slack: str = field(default="", repr=False)

    @property
    def kind(self) -> str:
        return "mail" if self.mail else "slack"

    @property
    def shown(self) -> str:
        """Where it leads; of a chat's address, which is a secret, the host alone."""
        return ", ".join(self.mail) or (urlsplit(self.slack).hostname or "")


@dataclass(frozen=True)
class AlertOptions:
    """`rules` are those in the code and the settings; further ones are made on the page. `site` is where this
    dashboard is reached, for links in messages.
    """

    rules: tuple[Rule, ...] = built_in()
    channels: tuple[Channel, ...] = ()
    site: str = ""
    #: What fires together is told together: it waits so long for more, and then so long before it tells again.
    group_wait_s: int = 10
    group_every_s: int = 60
    #: How long what has cleared is kept.
    keep_days: int = 90
    #: Asked for once a minute while rules are evaluated: who listens there notices when that ends.
    heartbeat_url: str = field(default="", repr=False)

    def channel(self, name: str) -> Channel | None:
        return next((one for one in self.channels if one.name == name), None)


def alerts(value: Any) -> AlertOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['ALERTS']"
    value = mapping(where, value)
    refuse_unknown(where, value, {*_READERS, "RULES", "CHANNELS", "BUILT_IN"})
    told = {key.lower(): read(f"{where}[{key!r}]", value[key]) for key, read in _READERS.items() if key in value}
    described = mapping(f"{where}['CHANNELS']", value.get("CHANNELS", {}))
    channels = tuple(_channel(f"{where}['CHANNELS'][{name!r}]", name, given) for name, given in described.items())
    rules = _rules(f"{where}['RULES']", value)
    if described:
        known = {WEBHOOKS, *described}
        for rule in rules:
            if unknown := set(rule.channels or ()) - known:
                raise ConfigurationError(f"{where}['RULES'][{rule.name!r}] names no channel: {min(unknown)!r}.")
    return AlertOptions(rules=rules, channels=channels, **told)


def _rules(where: str, value: Mapping[Any, Any]) -> tuple[Rule, ...]:
    """A rule of the settings stands in place of the built-in one of its name; None leaves that out."""
    described = mapping(where, value.get("RULES", {}))
    usual = {rule.name: rule for rule in built_in()}
    kept = usual if boolean("TORIL['ALERTS']['BUILT_IN']", value.get("BUILT_IN", True)) else {}
    own = {}
    for name, given in described.items():
        place = f"{where}[{name!r}]"
        if given is not None:
            own[str(name)] = read_rule(place, f"settings:{name}"[:120], text(place, name), given, "settings")
        elif name not in usual:
            raise ConfigurationError(f"{place} is None, but there is no built-in rule of this name to leave out.")
    return (*(rule for name, rule in kept.items() if name not in described), *own.values())


def _channel(where: str, name: Any, value: Any) -> Channel:
    value = mapping(where, value, "{'MAIL': [addresses]} or {'SLACK': address}")
    refuse_unknown(where, value, {"MAIL", "SLACK"})
    if not isinstance(name, str) or not 0 < len(name) <= 64 or name == WEBHOOKS:
        raise ConfigurationError(f"{where}: a channel's name is a text of 1 to 64 characters, and not {WEBHOOKS!r}.")
    if len(value) != 1:
        raise ConfigurationError(f"{where} must be either {{'MAIL': [addresses]}} or {{'SLACK': address}}.")
    if "SLACK" in value:
        return Channel(name, slack=_url(f"{where}['SLACK']", value["SLACK"]))
    to = names(f"{where}['MAIL']", value["MAIL"])
    if not to or not all("@" in one and not set(one) & set("\r\n,;") for one in to):
        raise ConfigurationError(f"{where}['MAIL'] must be a list of mail addresses.")
    return Channel(name, mail=to)


def _url(where: str, value: Any) -> str:
    """The sentence never repeats it: such an address is a secret."""
    given = text(where, value).strip()
    try:
        parts = urlsplit(given)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise ConfigurationError(f"{where} must be an address that begins with https:// (or http://).")
    return given


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    return lambda where, value: integer(where, value, least, most)


def _site(where: str, value: Any) -> str:
    return _url(where, value).rstrip("/") if value else ""


def _heartbeat(where: str, value: Any) -> str:
    return _url(where, value) if value else ""


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "SITE": _site,
    "GROUP_WAIT_S": _whole(0, 3_600),
    "GROUP_EVERY_S": _whole(0, 86_400),
    "KEEP_DAYS": _whole(1, 3_650),
    "HEARTBEAT_URL": _heartbeat,
}
