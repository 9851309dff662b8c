"""Which alerts, rules and silences exist for a person: those about queues that they see, and what is about no queue."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from asgiref.sync import sync_to_async

from dashboard.grants import Grants
from queues.lookups import alerts as lookup
from queues.models import Alert, AlertSilence
from queues.options.alert_rules import Rule

PER_PAGE = 50
#: So many are looked through for a page of those that somebody sees.
MOST_LOOKED_AT = 1_000


def sees_any(grants: Grants, connection: str) -> bool:
    """Whether the connection exists for them: any queue of it could be seen."""
    sight = grants.sight(connection)
    return sight is None or bool(sight.patterns)


def sees(grants: Grants, alert: Alert) -> bool:
    if alert.queue:
        return grants.sees(alert.queue, alert.connection)
    return sees_any(grants, alert.connection)


def sees_rule(grants: Grants, rule: Rule, connection: str, queues: Iterable[str]) -> bool:
    """`queues` are those that they see. A pattern may name what they do not: then it must fit one that they do."""
    if grants.sees_all:
        return True
    if not sees_any(grants, connection):
        return False
    is_plain = not rule.about.per_queue or rule.queue == "*"
    return is_plain or any(rule.fits(connection, queue) for queue in queues)


def sees_silence(grants: Grants, silence: AlertSilence, rules: Collection[str]) -> bool:
    """`rules` are the keys of those that they see."""
    if silence.queue != "*":
        return grants.sees(silence.queue, silence.connection)
    return sees_any(grants, silence.connection) and (not silence.rule or grants.sees_all or silence.rule in rules)


async def past(grants: Grants, connection: str, before: int | None) -> tuple[list[Alert], bool]:
    """A page of what has cleared, and whether there is more."""
    found: list[Alert] = []
    for _page in range(MOST_LOOKED_AT // PER_PAGE):
        rows = await sync_to_async(lookup.past)(connection, before, PER_PAGE + 1)
        found += [row for row in rows if sees(grants, row)]
        if len(found) > PER_PAGE or len(rows) <= PER_PAGE:
            break
        before = rows[-1].pk
    return found[:PER_PAGE], len(found) > PER_PAGE
