"""Settings of the worker processes that acceptance tests start. Redis and prefix come from the environment."""

import os

from dashboard.settings import *  # noqa: F403
from dashboard.settings import INSTALLED_APPS, TORIL

INSTALLED_APPS = [*INSTALLED_APPS, *os.environ.get("EXTRA_APPS", "").split()]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
WORK = {
    "concurrency": int(os.environ.get("CONCURRENCY", "5")),
    "lock_duration_ms": 1_500,
    "stalled_interval_ms": 1_000,
    "max_stalled_count": int(os.environ.get("STALLED_LIMIT", "50")),
}
TORIL = {**TORIL, "QUEUES": {"work": WORK}}
