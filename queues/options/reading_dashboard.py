"""`TORIL["DASHBOARD"]`, checked key by key. A mistake raises ConfigurationError whose sentence names the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from queues.errors import ConfigurationError
from queues.options.dashboard import Dashboard, Environment, Link, QueueView
from queues.options.reading import boolean, integer, mapping, refuse_unknown, text

Reader = Callable[[str, Any], Any]
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_FORMAT = re.compile(r"[YymndjMDHGhgisA .,:/\-]+")
FORMATTED = ("data", "return_value", "progress", "name")
#: What may be coloured anew: the tokens of static/css/tokens.css.
TOKENS = frozenset(
    "paper sheet sunk line line-strong ink ink-2 ink-3 focus waiting active prioritized delayed failed completed "
    "waiting-children waiting-soft active-soft failed-soft completed-soft".split()
)
SORTS = tuple(
    "name oldest waiting active prioritized delayed failed completed waiting-children rate failing drain "
    "workers".split()
)


def dashboard(value: Any) -> Dashboard:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['DASHBOARD']"
    return Dashboard(**_read(where, value, _SITE))


def _read(where: str, value: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
    value = mapping(where, value)
    refuse_unknown(where, value, set(readers))
    return {key: readers[key](f"{where}[{key!r}]", given) for key, given in value.items()}


def _short(longest: int) -> Reader:
    def read(where: str, value: Any) -> str:
        if len(given := text(where, value).strip()) > longest:
            raise ConfigurationError(f"{where} may have {longest:,} characters.")
        return given

    return read


def _one_of(*known: str) -> Reader:
    def read(where: str, value: Any) -> str:
        if value not in known:
            raise ConfigurationError(f"{where} must be one of {', '.join(known)}, not {value!r}.")
        return str(value)

    return read


def _whole(least: int, most: int) -> Reader:
    return lambda where, value: integer(where, value, least, most)


def _colour(where: str, value: Any) -> str:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise ConfigurationError(f"{where} must be a colour like #b92323, not {value!r}.")
    return value.lower()


def _address(where: str, value: Any) -> str:
    """A link of ours: on this site, or http(s); nothing that a browser would run."""
    given = text(where, value).strip()
    if given and not re.match(r"https?://[^/\s]|/(?![/\\])|mailto:", given):
        raise ConfigurationError(f"{where} must begin with /, https:// or http://, not {given[:40]!r}.")
    return given


def _picture(where: str, value: Any) -> str:
    """A file below STATIC_URL, or an address on this site: pages load nothing from another host."""
    given = text(where, value).strip()
    if "://" in given or given.startswith("//") or ".." in given:
        raise ConfigurationError(
            f"{where} must be a static file (acme/logo.svg) or an address on this site (/…): pages load nothing from "
            "another host."
        )
    return given


def _format(where: str, value: Any) -> str:
    given = text(where, value)
    if not _FORMAT.fullmatch(given):
        raise ConfigurationError(f"{where} may hold the letters Y y m n d j M D H G h g i s A and . , : / - only.")
    return given


def _dotted(where: str, value: Any) -> str:
    if not isinstance(value, str) or not _DOTTED.fullmatch(value):
        raise ConfigurationError(f"{where} must be the dotted path of a function, not {value!r}.")
    return value


def _job_url(where: str, value: Any) -> str:
    """A template with {queue}, {id}, {name}, or a dotted path."""
    given = text(where, value).strip()
    if _DOTTED.fullmatch(given) or not given:
        return given
    unknown = set(re.findall(r"{(.*?)}", given)) - {"connection", "queue", "id", "name"}
    if unknown or not re.match(r"https?://[^/\s{]|/(?![/\\])", given):
        raise ConfigurationError(
            f"{where} must be an address (https://…, with {{queue}}, {{id}}, {{name}} or {{connection}} inside), or "
            "the dotted path of a function."
        )
    return given


def _links(where: str, value: Any) -> tuple[Link, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{where} must be a list of {{'text': …, 'url': …}}.")
    found = [_read(f"{where}[{at}]", one, {"text": _short(80), "url": _address}) for at, one in enumerate(value)]
    for at, one in enumerate(found):
        if not (one.get("text") and one.get("url")):
            raise ConfigurationError(f"{where}[{at}] needs both a text and a url.")
    return tuple(Link(**one) for one in found)


def _environment(where: str, value: Any) -> Environment | None:
    if value is None or value == "":
        return None
    told = {"text": value} if isinstance(value, str) else value
    found = _read(where, told, {"text": _short(40), "colour": _colour, "band": boolean})
    if not found.get("text"):
        raise ConfigurationError(f"{where} needs a text.")
    colour = found.get("colour", "")
    return Environment(**found, ink=_readable_on(colour) if colour else "")


def _theme(where: str, value: Any) -> dict[str, dict[str, str]]:
    tokens = dict.fromkeys(TOKENS, _colour)
    return _read(where, value, {name: lambda at, told: _read(at, told, tokens) for name in ("light", "dark")})


def _formatters(where: str, value: Any) -> dict[str, str]:
    return _read(where, value, dict.fromkeys(FORMATTED, _dotted))


def _schema(where: str, value: Any) -> Mapping[str, object] | str | None:
    if value is None or isinstance(value, Mapping):
        return value
    return _dotted(where, value)


def _queues(where: str, value: Any) -> dict[str, QueueView]:
    value = mapping(where, value)
    return {str(name): QueueView(**_read(f"{where}[{name!r}]", told, _QUEUE)) for name, told in value.items()}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of `#rrggbb`."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, from 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _readable_on(colour: str) -> str:
    """Black or white: one of the two always has 4.5 : 1 and more."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, colour))


_QUEUE: dict[str, Reader] = {
    "title": _short(200),
    "description": _short(2_000),
    "delimiter": _short(5),
    "external_job_url": _job_url,
    "job_data_schema": _schema,
    "formatters": _formatters,
}
_SITE: dict[str, Reader] = {
    "title": _short(60),
    "logo": _picture,
    "favicon": _picture,
    "links": _links,
    "docs_url": _address,
    "environment": _environment,
    "theme": _theme,
    "menu_width": _whole(160, 480),
    "delimiter": _short(5),
    "group_by_delimiter": boolean,
    "sort": _one_of(*SORTS),
    "jobs_per_page": _whole(1, 300),
    "refresh": _one_of("live", "slow", "paused"),
    "refresh_choice": boolean,
    "refresh_every_s": _whole(1, 3_600),
    "dates": _one_of("relative", "absolute"),
    "date_format": _format,
    "time_format": _format,
    "show_workers": boolean,
    "show_metrics": boolean,
    "show_redis": boolean,
    "external_job_url": _job_url,
    "formatters": _formatters,
    "queues": _queues,
}
