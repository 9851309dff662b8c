"""The form of a new key: what may be chosen, what was typed, and the key that this asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.credentials.giving import lacking
from dashboard.grants import Grants
from queues.abilities import ABILITIES
from queues.actions.keys import NEVER, Wanted
from queues.errors import Forbidden, InvalidInput
from queues.options import get_options

#: What each ability lets a program do.
WORDS: dict[str, Promise] = {
    "view": gettext_lazy("See queues and jobs"),
    "view_payload": gettext_lazy("Read what jobs carry, with secrets masked"),
    "reveal_secrets": gettext_lazy("Read masked secrets"),
    "retry": gettext_lazy("Retry, promote and recover jobs"),
    "edit": gettext_lazy("Edit jobs, their delay and priority"),
    "add": gettext_lazy("Add jobs"),
    "remove": gettext_lazy("Remove, cancel and fail jobs"),
    "pause": gettext_lazy("Pause and resume queues"),
    "clean": gettext_lazy("Clean and empty queues"),
    "obliterate": gettext_lazy("Obliterate queues"),
    "limits": gettext_lazy("Change limits of queues"),
    "schedulers": gettext_lazy("Change and run schedulers"),
    "workers": gettext_lazy("Quiet, resume and stop workers"),
    "triage": gettext_lazy("Work on groups of failures"),
    "webhooks": gettext_lazy("See and change webhooks"),
    "alerts": gettext_lazy("Change, silence and test alerts"),
    "view_audit": gettext_lazy("Read who did what"),
}
DAYS = (7, 30, 90, 365)


@dataclass(frozen=True, slots=True)
class Form:
    """Every field as it was typed."""

    name: str = ""
    abilities: tuple[str, ...] = ("view",)
    queues: str = "*"
    days: str = ""
    rate: str = ""
    is_service: bool = False

    @classmethod
    def sent(cls, post: QueryDict) -> Form:
        texts = {name: post.get(name, "").strip()[:20_000] for name in ("name", "queues", "days", "rate")}
        return cls(abilities=tuple(post.getlist("abilities")), is_service=post.get("whose") == "service", **texts)

    def wanted(self, grants: Grants) -> Wanted:
        """Raises InvalidInput for what is no number, Forbidden for what this person cannot give."""
        queues = tuple(line.strip() for line in self.queues.splitlines() if line.strip())
        if self.is_service:
            grants.require("key.make")
            refuse_more_than_held(grants, self.abilities, queues)
        owner_id = None if self.is_service else grants.actor.user_id
        days, rate = _number(self.days, _("Days")), _number(self.rate, _("Requests a minute"))
        return Wanted(self.name, self.abilities, queues, owner_id, days, rate)


def refuse_more_than_held(grants: Grants, abilities: tuple[str, ...], queues: tuple[str, ...]) -> None:
    """A service's key outlives its maker's rights: it is bounded when it is made, and when it is shown anew."""
    if missing := lacking(grants, abilities, queues):
        told = ", ".join(str(WORDS.get(ability, ability)) for ability in missing)
        raise Forbidden(
            _("You cannot give what you have not got yourself on all these queues: %(abilities)s.")
            % {"abilities": told}
        )


def context(form: Form, grants: Grants, error: Exception | None = None) -> dict[str, Any]:
    held = grants.anywhere.abilities - NEVER
    offered = [(each, WORDS[each], each in form.abilities, each == "view") for each in ABILITIES if each in held]
    return {
        "form": form,
        "form_error": error,
        "offered": offered,
        "days": _days(form),
        "may_for_services": grants.may("key.make"),
        "rate": get_options().credentials.rate,
    }


def _days(form: Form) -> list[tuple[str, str, bool]]:
    credentials = get_options().credentials
    most = credentials.most_key_days
    known = sorted({*DAYS, credentials.key_days, *((most,) if most else ())})
    chosen = form.days or str(min(credentials.key_days, most or credentials.key_days))
    told = [(str(n), ngettext("%(n)s day", "%(n)s days", n) % {"n": n}) for n in known if most is None or n <= most]
    return [
        (value, label, value == chosen)
        for value, label in (*told, *([] if most else [("never", _("until it is revoked"))]))
    ]


def _number(told: str, name: str) -> int | None:
    if told in ("", "never"):
        return None
    if not told.isascii() or not told.isdecimal() or len(told) > 9:
        raise InvalidInput(_("%(field)s: “%(told)s” is no whole number.") % {"field": name, "told": told[:40]})
    return int(told)
