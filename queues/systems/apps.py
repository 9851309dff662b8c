"""The Django app of the sample processors; its `jobs.py` is discovered like any other app's. It has no tables."""

from django.apps import AppConfig


class SystemsConfig(AppConfig):
    name = "queues.systems"
    label = "toril_samples"
    verbose_name = "Toril's sample systems"
