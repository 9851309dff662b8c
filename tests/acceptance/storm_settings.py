"""Settings of every process in a storm: the stand's, with quick locks, one alert, and a ledger outside Redis."""

from tests.stand_settings import *  # noqa: F403
from tests.stand_settings import INSTALLED_APPS, TORIL

INSTALLED_APPS = [*INSTALLED_APPS, "tests.acceptance.stormapp"]
QUEUE = {"concurrency": 50, "lock_duration_ms": 3_000, "stalled_interval_ms": 2_000, "max_stalled_count": 1_000}
TORIL = {
    **TORIL,
    "QUEUES": {"work": QUEUE, "told": QUEUE},
    "ALERTS": {
        "BUILT_IN": False,
        "GROUP_WAIT_S": 0,
        "GROUP_EVERY_S": 0,
        "RULES": {
            "Alarm": {"KIND": "backlog", "QUEUE": "alarm", "FIRES": 10, "CLEARS": 2, "HOLD_S": 0, "COOLDOWN_S": 0}
        },
    },
}
