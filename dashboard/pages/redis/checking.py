"""What a check of the self-check is, looks at and says."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from queues.lookups.self_check import Facts
from queues.lookups.snapshot import Snapshot

OK, WARNING, BAD, UNKNOWN = "ok", "warning", "bad", "unknown"
NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """What was asked, how it stands, what was found, and what to do about it. `is_away`: Redis did not answer."""

    title: str
    verdict: str
    found: str
    advice: str = ""
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the checks look at: facts, and the queues that this person sees."""

    facts: Facts
    snapshot: Snapshot


def named(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    if more <= 0:
        return shown
    return shown + " " + ngettext("and %(count)s more", "and %(count)s more", more) % {"count": f"{more:,}"}


def forbidden(title: str, command: str) -> Check:
    advice = _("Let this Redis user call %(command)s to have it checked.") % {"command": command}
    return Check(title, UNKNOWN, _("This user may not call %(command)s.") % {"command": command}, advice)
