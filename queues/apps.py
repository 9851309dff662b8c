"""The Django app of models, workers and protocol. Its label is `toril`: `queues` would claim `/admin/queues/`."""

from django.apps import AppConfig


class QueuesConfig(AppConfig):
    name = "queues"
    label = "toril"
    verbose_name = "Toril"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from queues import checks  # noqa: F401
