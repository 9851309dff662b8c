"""The Django app of the five systems' tables, entries and forms: installed with the demonstration, absent without."""

from django.apps import AppConfig
from django.conf import settings


class SystemsConfig(AppConfig):
    name = "dashboard.systems"
    label = "toril_systems"
    verbose_name = "Toril's five systems"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Tests have the tables without the demonstration.
        if getattr(settings, "DEMO", False):
            from dashboard.systems.writer import begin

            begin()
