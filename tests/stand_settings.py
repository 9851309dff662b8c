"""The project's own settings with one more app, whose processors the tests' workers run, and quick passwords."""

import json
import os

from dashboard.settings import *  # noqa: F403
from dashboard.settings import INSTALLED_APPS, TORIL

# The five systems' tables too, though not their samples: one database serves stands of either kind.
INSTALLED_APPS = [*dict.fromkeys([*INSTALLED_APPS, "dashboard.systems"]), "tests.sample"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = os.environ.get("STAND_URLCONF", "dashboard.urls")
# Receivers of the tests listen on this machine.
TORIL = {**TORIL, "WEBHOOKS": {**TORIL.get("WEBHOOKS", {}), "ALLOW": ["127.0.0.1"]}}
# What one stand has beside.
TORIL |= json.loads(os.environ.get("STAND_TORIL", "{}"))
