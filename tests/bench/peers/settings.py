"""The project's own settings with the processors that are raced, and what each figure wants of its queue."""

from dashboard.settings import *  # noqa: F403
from dashboard.settings import INSTALLED_APPS, TORIL

INSTALLED_APPS = [*INSTALLED_APPS, "tests.bench.peers.apps.PeersConfig"]
TORIL = {**TORIL, "QUEUES": {"limited": {"concurrency": 50, "limiter": {"max": 100, "duration": 1000}}}}
