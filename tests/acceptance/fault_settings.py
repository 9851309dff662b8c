"""Settings of the worker processes that fault tests start: quick locks. Redis and prefix come from the environment."""

import os

from dashboard.settings import *  # noqa: F403
from dashboard.settings import INSTALLED_APPS, TORIL

INSTALLED_APPS = [*INSTALLED_APPS, "tests.acceptance.faultapp"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
WORK = {
    "concurrency": int(os.environ.get("CONCURRENCY", "50")),
    "lock_duration_ms": int(os.environ.get("LOCK_MS", "3000")),
    "stalled_interval_ms": int(os.environ.get("STALLED_MS", "2000")),
    "max_stalled_count": int(os.environ.get("MAX_STALLED", "100")),
}
TORIL = {**TORIL, "QUEUES": {"work": WORK}}
