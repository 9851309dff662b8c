"""Django system checks: every mistake in `settings.TORIL`, all at once, each with its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from queues.options import mistakes

#: What a sentence begins with → the number of its kind. The first that fits.
_KINDS = {"TORIL['CONNECTIONS']": "E002", "TORIL['QUEUES']": "E003", "TORIL['DASHBOARD']": "E005", "TORIL": "E001"}


@register
def check_settings(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.E001 the dict itself, E002 a connection, E003 a queue, E004 a variable of the environment, E005 pages."""
    return [Error(sentence, id=f"toril.{_kind(sentence)}") for sentence in mistakes(getattr(settings, "TORIL", {}))]


@register(deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.W001: any Host is taken. A page of another site could then speak to this one through its own name."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [Warning("ALLOWED_HOSTS holds “*”; name the hosts under which this site is reached.", id="toril.W001")]


def _kind(sentence: str) -> str:
    return next((kind for start, kind in _KINDS.items() if sentence.startswith(start)), "E004")
