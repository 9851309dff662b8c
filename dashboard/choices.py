"""What one browser chose for itself: cookies that the server reads, so that no page flashes. None is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from dashboard import hosting
from queues.options import Dashboard, get_options

PREFIX = "toril_"
YEAR_S = 365 * 86_400
#: clock → how a day and a time are written, in Django's letters; `site` is as the settings say.
CLOCKS: Mapping[str, tuple[str, str]] = {
    "iso": ("Y-m-d", "H:i:s"),
    "24": ("j M Y", "H:i:s"),
    "12": ("M j, Y", "g:i:s A"),
}
#: choice → what it may be; the first is what holds where nothing was chosen, but for what the settings say.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "dates": ("site", "relative", "absolute"),
    "clock": ("site", *CLOCKS),
    "refresh": ("site", "live", "slow", "paused"),
    "confirm": ("on", "off"),
    "motion": ("system", "reduced"),
    "keys": ("on", "off"),
}
ROWS = (10, 25, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class Choices:
    """As they were chosen. `zone` is empty for the browser's own; `rows` is 0 where nothing was chosen."""

    theme: str = "system"
    dates: str = "site"
    clock: str = "site"
    zone: str = ""
    refresh: str = "site"
    rows: int = 0
    confirm: str = "on"
    motion: str = "system"
    keys: str = "on"

    # --- what holds, the settings' word included

    @property
    def is_absolute(self) -> bool:
        return (_site().dates if self.dates == "site" else self.dates) == "absolute"

    @property
    def date_format(self) -> str:
        return CLOCKS[self.clock][0] if self.clock in CLOCKS else _site().date_format

    @property
    def time_format(self) -> str:
        return CLOCKS[self.clock][1] if self.clock in CLOCKS else _site().time_format

    @property
    def pace(self) -> str:
        """live, slow or paused."""
        site = _site()
        return self.refresh if site.refresh_choice and self.refresh != "site" else site.refresh

    @property
    def every_s(self) -> int:
        """How often a page is told what changed: 0 for at once."""
        return _site().refresh_every_s if self.pace == "slow" else 0

    @property
    def has_keys(self) -> bool:
        return self.keys == "on"

    @property
    def confirms(self) -> bool:
        """Whether what can be taken back is asked about too."""
        return self.confirm == "on"

    @property
    def tzinfo(self) -> ZoneInfo:
        """In which the server writes times: UTC where the browser's zone is meant, which only script knows."""
        return ZoneInfo(self.zone or "UTC")


DEFAULT = Choices()


def choices_of(request: HttpRequest) -> Choices:
    return read({name: request.COOKIES.get(PREFIX + name, "") for name in NAMES})


def read(given: Mapping[str, str]) -> Choices:
    """From cookies or a form: what is not known counts as not chosen."""
    told: dict[str, str | int] = {name: given[name] for name, known in KNOWN.items() if given.get(name, "") in known}
    if (zone := given.get("zone", "")) and zone in zones():
        told["zone"] = zone
    if (rows := given.get("rows", "")).isdecimal() and len(rows) < 4 and int(rows) in ROWS:
        told["rows"] = int(rows)
    return Choices(**told)  # type: ignore[arg-type]


def keep(response: HttpResponse, chosen: Choices) -> None:
    """Into cookies; what is as it would be anyway leaves none."""
    for name in NAMES:
        value = getattr(chosen, name)
        path = f"{settings.FORCE_SCRIPT_NAME or ''}/"
        if value == getattr(DEFAULT, name):
            response.delete_cookie(PREFIX + name, path=path, samesite="Lax")
        else:
            response.set_cookie(
                PREFIX + name, str(value), max_age=YEAR_S, path=path, samesite="Lax", secure=hosting.is_https()
            )


@cache
def zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _site() -> Dashboard:
    return get_options().dashboard


NAMES = tuple(one.name for one in fields(Choices))
