"""The settings page's questions and their answers, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.dateformat import format as date_format
from django.utils.translation import gettext as _

from dashboard.choices import CLOCKS, KNOWN, Choices
from queues.options import Dashboard

#: The moment that examples tell.
EXAMPLE = datetime(2026, 1, 31, 14, 2, 11, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One question with its answers, as radio buttons."""

    name: str
    label: str
    answers: tuple[Answer, ...]
    note: str = ""


def fields_of(chosen: Choices, site: Dashboard) -> list[Field]:
    names = [name for name in KNOWN if name != "refresh" or site.refresh_choice]
    return [_field(name, str(getattr(chosen, name)), site) for name in names]


def _field(name: str, chosen: str, site: Dashboard) -> Field:
    label, note = _questions(site)[name]
    words = _answers(site)
    answers = tuple(Answer(value, words[name, value], value == chosen) for value in KNOWN[name])
    return Field(name, label, answers, note)


def _questions(site: Dashboard) -> dict[str, tuple[str, str]]:
    return {
        "theme": (_("Theme"), ""),
        "dates": (_("Moments"), _("The exact moment stands in the tooltip either way.")),
        "clock": (_("Day and time"), ""),
        "refresh": (
            _("Refreshing"),
            _("Pages also stop while their tab is hidden, and catch up when it is seen again."),
        ),
        "confirm": (
            _("Ask before acting"),
            _("Only for what can be taken back, as retrying all failed jobs. What destroys is always asked."),
        ),
        "motion": (_("Motion"), ""),
        "keys": (_("Single-key shortcuts"), _("Turn them off where a screen reader or voice control uses the keys.")),
    }


def _answers(site: Dashboard) -> dict[tuple[str, str], str]:
    example = {
        name: f"{date_format(EXAMPLE, day)} {date_format(EXAMPLE, time)}" for name, (day, time) in CLOCKS.items()
    }
    own = f"{date_format(EXAMPLE, site.date_format)} {date_format(EXAMPLE, site.time_format)}"
    as_site = _("As the site has it (%(value)s)")
    paces = {"live": _("live"), "slow": _("slower"), "paused": _("paused")}
    ways = {"relative": _("3 min ago"), "absolute": _("their day and time")}
    every = _("Every %(seconds)s seconds") % {"seconds": site.refresh_every_s}
    return {
        ("theme", "system"): _("As the system has it"),
        ("theme", "light"): _("Light"),
        ("theme", "dark"): _("Dark"),
        ("dates", "site"): as_site % {"value": ways[site.dates]},
        ("dates", "relative"): _("As ages: 3 min ago"),
        ("dates", "absolute"): _("As day and time"),
        ("clock", "site"): as_site % {"value": own},
        **{("clock", name): example[name] for name in CLOCKS},
        ("refresh", "site"): as_site % {"value": paces[site.refresh]},
        ("refresh", "live"): _("Live: at once"),
        ("refresh", "slow"): every,
        ("refresh", "paused"): _("Paused"),
        ("confirm", "on"): _("Yes"),
        ("confirm", "off"): _("No"),
        ("motion", "system"): _("As the system has it"),
        ("motion", "reduced"): _("Reduced"),
        ("keys", "on"): _("On"),
        ("keys", "off"): _("Off"),
    }
