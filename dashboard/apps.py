"""The Django app of everything that speaks HTTP or WebSocket."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "dashboard"
    label = "toril_dashboard"
    verbose_name = "Toril dashboard"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from dashboard import logs

        logs.configure()
