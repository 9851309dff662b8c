"""What people do with alerts: make, change and remove rules, silence what fires, and end that. Each is recorded.

Whoever calls has made sure that the actor may do so: a rule, and a silence of a whole connection, needs the right on
every queue; the silence of a queue needs it there.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import ConfigurationError, InvalidInput, NotFound, Refused
from queues.models import AlertRule, AlertSilence
from queues.options import get_options
from queues.options.alert_rules import Rule, read_rule

MOST_RULES = 200
LONGEST_REASON = 500
LONGEST_SILENCE = timedelta(days=30)


async def make_rule(actor: Actor, name: str, definition: Mapping[str, Any]) -> Done:
    """Raises InvalidInput naming what is wrong, Refused where the name is taken."""
    rule = checked(name, definition)
    deed = Deed(actor, "alert.make", "", "", parameters={"name": rule.name, "after": dict(definition)})

    def act() -> Done:
        if AlertRule.objects.count() >= MOST_RULES:
            raise Refused(_("There are %(most)s rules already; remove one first.") % {"most": MOST_RULES})
        _keep(AlertRule(name=rule.name), actor, rule.name, definition)
        return Done(_("The rule “%(name)s” is looked at from now on.") % {"name": rule.name})

    return await record(deed, _hop(act), of_done)


async def edit_rule(actor: Actor, number: int, name: str, definition: Mapping[str, Any]) -> Done:
    """What fires under it goes on by its new levels. Raises as `make_rule`, and NotFound."""
    rule = checked(name, definition)
    deed = Deed(actor, "alert.edit", "", "", parameters={"name": rule.name, "after": dict(definition)})

    def act() -> Done:
        row = _rule(number)
        deed.parameters["before"] = {"name": row.name, **json.loads(row.definition)}
        _keep(row, actor, rule.name, definition)
        return Done(_("The rule “%(name)s” was changed.") % {"name": rule.name})

    return await record(deed, _hop(act), of_done)


async def remove_rule(actor: Actor, number: int) -> Done:
    """What fires under it ends."""
    deed = Deed(actor, "alert.remove", "", "", parameters={"rule": number})

    def act() -> Done:
        row = _rule(number)
        deed.parameters["before"] = {"name": row.name, **json.loads(row.definition)}
        row.delete()
        return Done(_("The rule “%(name)s” was removed.") % {"name": row.name})

    return await record(deed, _hop(act), of_done)


async def silence(
    actor: Actor, connection: str, queue: str, until: datetime, reason: str, rule: str = "", rule_name: str = ""
) -> Done:
    """Until then nobody is told of this queue (`*`: of anything of the connection), of this rule or any."""
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise InvalidInput(_("Say why, in 1 to %(most)s characters.") % {"most": LONGEST_REASON})
    now = timezone.now()
    if not now < until <= now + LONGEST_SILENCE:
        raise InvalidInput(_("A silence ends within %(days)s days from now.") % {"days": LONGEST_SILENCE.days})
    told = {"until": until.isoformat(timespec="seconds"), "reason": reason, "rule": rule_name}
    deed = Deed(actor, "alert.silence", connection, "" if queue == "*" else queue, parameters=told)

    def act() -> Done:
        where = {"connection": connection, "queue": queue, "rule": rule, "rule_name": rule_name}
        AlertSilence.objects.create(until=until, reason=reason.replace("\0", "\ufffd"), actor=actor.name[:150], **where)
        return Done(_("It is silenced: nobody is told of it, and it is shown here all the same."))

    return await record(deed, _hop(act), of_done)


async def end_silence(actor: Actor, row: AlertSilence) -> Done:
    """What fires under it is told within seconds."""
    deed = Deed(actor, "alert.silence", row.connection, "" if row.queue == "*" else row.queue)
    deed.parameters["ended"] = row.pk

    def act() -> Done:
        mine = AlertSilence.objects.filter(pk=row.pk, until__gt=timezone.now())
        if not mine.update(until=timezone.now(), ended_by=actor.name[:150]):
            raise Refused(_("This silence has ended already."))
        return Done(_("The silence has ended: what fires is told."))

    return await record(deed, _hop(act), of_done)


def checked(name: str, definition: Mapping[str, Any]) -> Rule:
    """The rule that this would be. Raises InvalidInput."""
    try:
        rule = read_rule("", "page:", name, definition, "page")
    except ConfigurationError as error:
        raise InvalidInput(str(error).lstrip(": ")) from None
    if any(rule.name == other.name for other in get_options().alerts.rules):
        raise Refused(_("There is a rule of this name in the settings; choose another."))
    return rule


def _keep(row: AlertRule, actor: Actor, name: str, definition: Mapping[str, Any]) -> None:
    row.name, row.definition, row.actor = name, json.dumps(definition), actor.name[:150]
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise Refused(_("There is a rule of this name already; choose another.")) from None


def _rule(number: int) -> AlertRule:
    row = AlertRule.objects.select_for_update().filter(pk=number).first()
    if row is None:
        raise NotFound(_("There is no such rule; it may have been removed."))
    return row


def _hop(act: Callable[[], Done]) -> Callable[[], Awaitable[Done]]:
    def run() -> Done:
        with transaction.atomic():
            return act()

    return lambda: sync_to_async(run)()
