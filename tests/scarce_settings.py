"""A stand's settings for a server that waits little for those who trickle, and may open few files."""

import resource

from tests.stand_settings import *  # noqa: F403

REQUEST_HEAD_S = REQUEST_BODY_S = 2.0
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
