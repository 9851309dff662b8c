"""Alerts, rules, silences and channels as the page shows them: each a line with its sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.grants import Grants
from queues.alerting import telling, words
from queues.lookups.alerts import Standing
from queues.models import Alert, AlertNotice, AlertSilence
from queues.options import get_options
from queues.options.alert_rules import Rule
from queues.options.alerts import WEBHOOKS


@dataclass(frozen=True, slots=True)
class Step:
    """Of what became of an alert; `is_own`: of itself, not of who heard. `at` None: not yet."""

    sentence: str
    at: datetime | None
    is_own: bool = False
    colour: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """`told`: (sentence, moment or None, whether something is wrong with it)."""

    alert: Alert
    place: str
    what: str
    levels: str
    told: Sequence[tuple[str, datetime | None, bool]] = ()
    may_silence: bool = False
    silence: AlertSilence | None = None

    @property
    def rule(self) -> str:
        return words.rule_name(self.alert.rule, self.alert.rule_name, self.alert.kind)

    @property
    def blind(self) -> str:
        return words.blind(self.alert.blind_why) if self.alert.blind_since else ""

    @property
    def peak(self) -> str:
        return words.amount(self.alert.kind, self.alert.peak)

    @property
    def ending(self) -> str:
        return words.ending(self.alert)

    @property
    def lasted_ms(self) -> int:
        begun, ended = self.alert.fired_at or self.alert.since, self.alert.cleared_at or self.alert.seen_at
        return max(0, int((ended - begun).total_seconds() * 1000))

    @property
    def course(self) -> Sequence[Step]:
        """As it came."""
        alert = self.alert
        own = (
            (_("over its level"), alert.since, ""),
            (_("fired"), alert.fired_at, "s-failed"),
            (_("cleared"), alert.cleared_at, "s-completed"),
        )
        steps = [Step(said, at, is_own=True, colour=colour) for said, at, colour in own if at is not None]
        steps += [Step(said, at, is_bad=is_bad) for said, at, is_bad in self.told]
        return sorted(steps, key=lambda step: (step.at is None, step.at or alert.since))

    @property
    def left_s(self) -> str:
        """How long a pending one has still to hold."""
        held_s = (self.alert.seen_at - self.alert.since).total_seconds()
        return words.time(max(0.0, self.alert.hold_s - held_s))


def line(
    alert: Alert, grants: Grants, notices: Sequence[AlertNotice] = (), silences: Sequence[AlertSilence] = ()
) -> Line:
    silence = next((one for one in silences if one.fits(alert)), None)
    return Line(
        alert,
        alert.queue or _("the whole connection"),
        words.what(alert),
        words.levels(alert.fires, alert.clears, alert.hold_s, alert.kind),
        list(_told(alert, notices, silence)),
        may_silence(grants, alert.connection, alert.queue or "*"),
        silence,
    )


def may_silence(grants: Grants, connection: str, queue: str) -> bool:
    """A whole connection is silenced by who may do so everywhere."""
    held = grants if queue == "*" else grants.on(queue, connection)
    return held.may("alert.silence")


def silenced_rule(silence: AlertSilence) -> str:
    """What it silences."""
    kind = silence.rule.partition(":")[2]
    return words.rule_name(silence.rule, silence.rule_name, kind) if silence.rule else _("every rule")


def _told(
    alert: Alert, notices: Sequence[AlertNotice], silence: AlertSilence | None
) -> Iterator[tuple[str, datetime | None, bool]]:
    for notice in notices:
        yield became(notice)
    if silence is not None and (alert.phase == Alert.Phase.FIRING or alert.held == telling.SILENCE):
        who = {"who": silence.actor, "why": silence.reason}
        yield _("silenced by %(who)s: %(why)s; that ends") % who, silence.until, False
    elif alert.held == telling.COOLDOWN:
        yield _("told a short time ago, so it is told again at the earliest"), alert.held_until, False
    elif alert.held == telling.GROUP:
        yield _("is told, with what comes with it,"), alert.held_until, False
    elif alert.held == telling.NOBODY:
        yield _("nobody was told: its rule has no channel that anybody hears"), None, True
    elif alert.to_tell == "fired" and not notices:
        yield _("is told at the next look"), None, False


def became(notice: AlertNotice) -> tuple[str, datetime | None, bool]:
    """What became of a message."""
    told = {"name": _("webhooks") if notice.channel == WEBHOOKS else notice.channel, "said": notice.answer}
    if notice.sent_at is not None and notice.kind == AlertNotice.Kind.CLEARED:
        return _("%(name)s heard that it cleared,") % told, notice.sent_at, False
    if notice.sent_at is not None:
        return _("%(name)s heard of it,") % told, notice.sent_at, False
    if notice.is_given_up:
        return _("%(name)s could not be told and was given up: %(said)s") % told, notice.made_at, True
    if notice.tries:
        return _("%(name)s was not told: %(said)s It is tried again") % told, notice.due_at, True
    return _("%(name)s is being told") % told, None, False


@dataclass(frozen=True, slots=True)
class RuleLine:
    rule: Rule
    name: str
    sentence: str
    levels: str
    standing: str
    source: str
    to: str
    kind: str = ""
    number: int | None = None


def rule_line(rule: Rule, standing: Standing, firing: Sequence[Alert]) -> RuleLine:
    said, kind = _standing(rule, standing, sum(alert.rule == rule.key for alert in firing))
    sources = {"built-in": _("built in"), "settings": _("from the settings"), "page": _("made here")}
    number = int(rule.key.removeprefix("page:")) if rule.source == "page" else None
    return RuleLine(
        rule,
        words.rule_name(rule.key, rule.name, rule.kind),
        words.rule_sentence(rule),
        words.levels(rule.fires, rule.clears, rule.hold_s, rule.kind),
        said,
        sources[rule.source],
        _told_to(rule),
        kind,
        number,
    )


def _standing(rule: Rule, standing: Standing, firing: int) -> tuple[str, str]:
    """How it stands, and its colour: what nobody looks at, or knows, is never said to be well."""
    if not rule.is_on:
        return _("turned off"), "off"
    if not rule.fits_connection(standing.connection):
        return _("not about this connection"), "off"
    if not standing.is_watched:
        return _("nobody looks"), "blind"
    unknown = standing.unknown.get(rule.key, ())
    if firing:
        return ngettext("%(n)s fires", "%(n)s fire", firing) % {"n": firing}, "bad"
    if unknown:
        queue, why = unknown[0]
        where = f"{queue}: " if queue else ""
        more = _(" (and %(n)s more)") % {"n": len(unknown) - 1} if len(unknown) > 1 else ""
        told = {"where": where, "why": words.blind(why), "more": more}
        return _("nobody knows: %(where)s%(why)s%(more)s") % told, "blind"
    return _("quiet"), ""


def _told_to(rule: Rule) -> str:
    known = [channel.name for channel in get_options().alerts.channels]
    chosen = [*known, WEBHOOKS] if rule.channels is None else list(rule.channels)
    return ", ".join(_("webhooks") if name == WEBHOOKS else name for name in chosen)


def notes(standing: Standing) -> list[tuple[str, str]]:
    """What the page does not know, worst first: (kind, sentence)."""
    start = _("Start it with “manage.py runmirror”.")
    if not standing.is_known:
        return [("bad", _("Rules are looked at by the mirror, and none has run yet: nothing can fire.") + " " + start)]
    if not standing.leads:
        halted = _("No mirror runs: nobody looks at the rules, what is shown is as it was, and nobody is told.")
        return [("bad", f"{halted} {start}")]
    if standing.age_s is None:
        return [("slow", _("The mirror has just begun: it has not looked at the rules of this connection yet."))]
    found = []
    if not standing.is_watched:
        told = {"time": words.time(standing.age_s)}
        found.append(("bad", _("The rules were looked at %(time)s ago, and not since: see the mirror’s log.") % told))
    if standing.silent_since is not None:
        found.append(("bad", _("Redis does not answer: what fires goes on, and nothing counts as well.")))
    return found
