"""The stand's settings with the five systems as they are shipped, but for their samples' pauses."""

from dashboard.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TORIL_SYSTEMS_PACE = 0
