"""The stand's settings with the processors that are raced, and what a busy site keeps: little in Redis, days in SQL."""

from tests.stand_settings import *  # noqa: F403
from tests.stand_settings import INSTALLED_APPS, TORIL

INSTALLED_APPS = [*INSTALLED_APPS, "tests.bench.peers.apps.PeersConfig"]
KEEP = {"remove_on_complete": {"count": 2_000}, "remove_on_fail": {"count": 500}}
TORIL = {
    **TORIL,
    "QUEUES": {"empty": {"concurrency": 50, **KEEP}},
    "MIRROR": {**TORIL.get("MIRROR", {}), "KEEP_DAYS": 1, "HISTORY_DAYS": 3},
}
