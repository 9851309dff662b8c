"""Settings of the test run: the project's own, with a database and a Redis of each test process's own."""

import os

os.environ.setdefault("SECRET_KEY", "tests-only")
# Not the folder in which a developer's own server runs.
os.environ["VAR_DIR"] = ".pytest_cache/var"

from dashboard.settings import *  # noqa: F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "TEST": {"NAME": f"/tmp/toril-test-{os.getpid()}.sqlite3"},  # noqa: S108
        # Nobody needs it after a power cut.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY",
        },
    }
}
# The tables of the five systems are there without their samples; tests that ask their addresses say so themselves.
INSTALLED_APPS = [*INSTALLED_APPS, "dashboard.systems"]  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
