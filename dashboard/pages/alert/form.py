"""The form of a rule: what it shows of one, and what comes back from it as `read_rule` takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from queues.alerting import words
from queues.errors import InvalidInput
from queues.options import get_options
from queues.options.alert_rules import KINDS, Kind, NoData, Rule, Unit
from queues.options.alerts import WEBHOOKS

UNITS: Mapping[Unit, Any] = {
    Unit.JOBS: gettext_lazy("jobs"),
    Unit.TIMES: gettext_lazy("times"),
    Unit.SECONDS: gettext_lazy("seconds"),
    Unit.PERCENT: gettext_lazy("percent"),
}
TEXTS = ("NAME", "KIND", "CONNECTION", "QUEUE", "NO_DATA")
NUMBERS = ("FIRES", "CLEARS")
WHOLES = ("HOLD_S", "WINDOW_S", "LEAST", "COOLDOWN_S")
_LABELS: Mapping[str, Any] = {
    "NAME": gettext_lazy("Name"),
    "KIND": gettext_lazy("Watches"),
    "QUEUE": gettext_lazy("Queues"),
    "CONNECTION": gettext_lazy("Connections"),
    "FIRES": gettext_lazy("Fires from"),
    "CLEARS": gettext_lazy("clears at"),
    "HOLD_S": gettext_lazy("when held for"),
    "WINDOW_S": gettext_lazy("Counted within"),
    "LEAST": gettext_lazy("of at least"),
    "COOLDOWN_S": gettext_lazy("Not told again within"),
}
_SETTING = re.compile(r"\['(\w+)'\]|\bFIRES\b")
#: How long to be silent: what is posted → label and length.
LENGTHS: Mapping[str, tuple[Any, timedelta]] = {
    "1h": (gettext_lazy("1 hour"), timedelta(hours=1)),
    "4h": (gettext_lazy("4 hours"), timedelta(hours=4)),
    "1d": (gettext_lazy("1 day"), timedelta(days=1)),
    "7d": (gettext_lazy("7 days"), timedelta(days=7)),
    "30d": (gettext_lazy("30 days"), timedelta(days=30)),
}


def shown(rule: Rule | None, given: QueryDict | None = None) -> dict[str, Any]:
    """What the fields hold: what was sent, else the rule's own, else a new one's. Its levels are empty: what is usual
    for one kind is nonsense for the next.
    """
    kind = KINDS["backlog"] if rule is None else rule.about
    told: dict[str, Any] = {"NAME": rule.name if rule else "", "KIND": kind.name}
    told |= rule.told() if rule else _usual()
    if given is not None:
        told |= {name: given.get(name, "") for name in (*TEXTS, *NUMBERS, *WHOLES)}
        told |= {"CHANNELS": given.getlist("CHANNELS"), "IS_ON": given.get("IS_ON") == "1"}
    elif rule is None:
        told |= dict.fromkeys((*NUMBERS, "HOLD_S"), "")
    else:
        told |= {name: f"{told[name]:g}" for name in NUMBERS}
    channels = [*(one.name for one in get_options().alerts.channels), WEBHOOKS]
    chosen = channels if told.get("CHANNELS") is None else list(told["CHANNELS"] or ())
    return {
        "fields": told,
        "kinds": [(name, _offered(one)) for name, one in KINDS.items()],
        "channels": [(name, _("webhooks") if name == WEBHOOKS else name, name in chosen) for name in channels],
        "fires_anyhow": told["NO_DATA"] == NoData.FIRE.value,
    }


def plainly(error: Exception) -> str:
    """What is wrong with a rule, by the names that its form has for what settings call FIRES."""
    return _SETTING.sub(lambda found: f"“{_LABELS.get(found[1] or found[0], found[0])}”", str(error))


def _offered(kind: Kind) -> str:
    """What is watched, and what empty fields stand for."""
    levels = {"fires": f"{kind.fires:,g}", "clears": f"{kind.clears:,g}", "hold": kind.hold_s}
    told = {"label": words.LABELS[kind.name], "unit": UNITS[kind.unit]} | levels
    return _("%(label)s, in %(unit)s (fires %(fires)s, clears %(clears)s, held %(hold)s s)") % told


def _usual() -> dict[str, Any]:
    kind = KINDS["backlog"]
    usual = Rule("", "", kind.name, kind.fires, kind.clears, kind.hold_s, "page")
    return usual.told()


def read(form: QueryDict) -> tuple[str, dict[str, Any]]:
    """Name and definition. What is left empty is as its kind has it. Raises InvalidInput."""
    told: dict[str, Any] = {"KIND": form.get("KIND", "")}
    told |= {name: _number(form, name) for name in NUMBERS if form.get(name, "").strip()}
    told |= {name: int(_number(form, name)) for name in WHOLES if form.get(name, "").strip()}
    for name in ("CONNECTION", "QUEUE"):
        told[name] = form.get(name, "").strip().replace("\0", "") or "*"
    told["NO_DATA"] = NoData.FIRE.value if form.get("NO_DATA") == NoData.FIRE.value else NoData.KEEP.value
    told["IS_ON"] = form.get("IS_ON") == "1"
    every = [*(one.name for one in get_options().alerts.channels), WEBHOOKS]
    chosen = [name for name in every if name in form.getlist("CHANNELS")]
    # All of them stands for those, too, that are set up later.
    told["CHANNELS"] = None if chosen == every else chosen
    return form.get("NAME", "").replace("\0", "").strip(), told


def _number(form: QueryDict, name: str) -> float:
    given = form.get(name, "").strip().replace(",", "")
    try:
        found = float(given) if len(given) < 16 else float("nan")
    except ValueError:
        found = float("nan")
    if not 0 <= found < 1e12:
        raise InvalidInput(_("“%(given)s” is no number of at least 0.") % {"given": given[:40]})
    return found


def until(form: QueryDict) -> datetime:
    """When the silence ends. Raises InvalidInput."""
    length = LENGTHS.get(form.get("length", ""))
    if length is None:
        raise InvalidInput(_("Choose how long."))
    return timezone.now() + length[1]
