"""The Django app of everything that speaks HTTP or WebSocket."""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class DashboardConfig(AppConfig):
    name = "dashboard"
    label = "toril_dashboard"
    verbose_name = "Toril dashboard"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from dashboard import checks, consent, groups, hearing, hosting, logs
        from dashboard.sign_in import stay
        from queues.console import doctor
        from queues.delivery.rights import provide
        from queues.operations.consent import asks

        logs.configure_as_guest() if hosting.is_guest() else logs.configure()
        if consent.refusal not in asks:
            asks.append(consent.refusal)
        provide(hearing.rights_of)
        if checks.examine not in doctor.examiners:
            doctor.examiners.append(checks.examine)
        if not hosting.is_guest():
            user_logged_in.connect(stay.begin, dispatch_uid="toril.stay")
        post_migrate.connect(groups.make_groups, sender=apps.get_app_config("toril"), dispatch_uid="toril.groups")
