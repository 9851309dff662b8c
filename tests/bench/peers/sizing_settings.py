"""The research agents as they stand, but for how fast they are: as many at once as a size is measured for."""

from dashboard.settings import *  # noqa: F403
from dashboard.settings import TORIL

#: A sample's answer takes 1.2 s by itself: here long enough for all to be in the middle of it.
TORIL_SYSTEMS_PACE = 25.0
TORIL["QUEUES"]["chat"].pop("limiter", None)
