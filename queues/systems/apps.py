"""The Django app of the demonstration; its `jobs.py` is discovered like any other app's."""

from django.apps import AppConfig


class SystemsConfig(AppConfig):
    name = "queues.systems"
    label = "toril_systems"
    verbose_name = "Toril's sample systems"
