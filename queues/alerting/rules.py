"""The rules in force: those of the code and the settings, and those that people made. Synchronous."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from queues.errors import ConfigurationError
from queues.models import AlertRule
from queues.options import get_options
from queues.options.alert_rules import Rule, read_rule

log = logging.getLogger(__name__)


def rules() -> list[Rule]:
    """All of them, those that are off too. Raises what the database raises."""
    return [*get_options().alerts.rules, *made(AlertRule.objects.all())]


def in_force(connection: str) -> list[Rule]:
    return [rule for rule in rules() if rule.is_on and rule.fits_connection(connection)]


def made(rows: Iterable[AlertRule]) -> list[Rule]:
    """As they were stored; one that cannot be read any more is left out, and said."""
    found = []
    for row in rows:
        try:
            found.append(read_rule(f"The rule “{row.name}”", row.key, row.name, json.loads(row.definition), "page"))
        except (ConfigurationError, ValueError) as error:
            log.error("an alert's rule is left out: %s", error)
    return found
