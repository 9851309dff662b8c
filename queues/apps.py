"""The Django app of models, workers and protocol. Its label is `toril`: `queues` would claim `/admin/queues/`."""

import logging
import sys
from contextlib import suppress

from django.apps import AppConfig
from django.conf import settings
from django.core.signals import setting_changed


class QueuesConfig(AppConfig):
    name = "queues"
    label = "toril"
    verbose_name = "Toril"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from queues import checks, processors  # noqa: F401

        if _discover_tasks not in processors.other_discoveries:
            processors.other_discoveries.append(_discover_tasks)
        setting_changed.connect(_forget_options, dispatch_uid="toril.options")
        _install_carrier()
        _discover_processors()


def _forget_options(*, setting: str, **_: object) -> None:
    """A test that changes settings.TORIL gets what it says, and not the queues of the program."""
    if setting == "TORIL":
        from queues.options import reset_options

        reset_options()


def _discover_processors() -> None:
    """Whoever adds jobs goes by what their processors declare, so every process knows them, not only workers."""
    from queues import processors
    from queues.errors import ConfigurationError

    if sys.argv[1:2] == ["runworkers"]:
        # It does so itself, and ends where that fails: one sentence is enough.
        return
    try:
        processors.autodiscover()
    except ConfigurationError as error:
        # Pages and migrations go on.
        logging.getLogger("queues").error("%s The settings that it declares for its queues do not count here.", error)


def _discover_tasks() -> None:
    # Loaded only where tasks are used: it brings Django's tasks API along.
    if getattr(settings, "TASKS", None):
        from queues.tasks.discovery import discover

        discover()


def _install_carrier() -> None:
    from queues.errors import ConfigurationError
    from queues.options import get_options

    # A mistake in the settings is told by the system checks, all at once.
    with suppress(ConfigurationError):
        if not get_options().use_job_queue:
            from queues.inprocess.carrier import InProcessCarrier
            from queues.producer import install

            install(InProcessCarrier())
