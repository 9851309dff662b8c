"""Brings the database up to date and makes the admin user; says in one line of JSON what came of it.

A process of its own, so that the supervisor never carries Django along: `python bin/house/prepare.py`.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_USER = "admin"
# Read aloud and typed without doubt: no l, I, O, 0, 1.
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
PASSWORD_LENGTH = 16


def main() -> int:
    sys.path[0] = str(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError

    from queues.errors import TorilError

    try:
        answer = prepare()
    except (TorilError, ImproperlyConfigured, PasswordUnfit) as error:
        answer = {"error": str(error)}
    except DatabaseError as error:
        answer = {"error": f"The database {_database()} cannot be used: {str(error).strip()}"}
    print(json.dumps(answer))
    return 1 if "error" in answer else 0


def prepare() -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from dashboard.environment import Environment
    from queues.options import get_options

    get_options()  # a wrong queue setting is told here, not by three children at once
    call_command("migrate", verbosity=0, interactive=False)
    user, password, is_new = admin_user(Environment(os.environ))
    return {
        "database": _database(),
        "user": user,
        "password": password,
        "is_new": is_new,
        "has_processors": has_processors(),
    }


def has_processors() -> bool:
    """Whether workers would have anything to run; a jobs.py that cannot be imported is theirs to complain about."""
    from queues import processors

    try:
        processors.autodiscover()
    except Exception:
        return True
    return bool(processors.registry.queues())


class PasswordUnfit(Exception):
    """TORIL_ADMIN_USER or TORIL_ADMIN_PASSWORD cannot be used."""


def admin_user(environ: Any) -> tuple[str, str, bool]:
    """Name, password where it was made up here, and whether the user is new.

    An existing user is left as it is: its owner may have changed the password, or taken its rights away.
    """
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    wanted = environ.get("TORIL_ADMIN_USER", "").strip()
    if users.filter(username=wanted or DEFAULT_USER).exists():
        return wanted or DEFAULT_USER, "", False
    if not wanted and (other := users.filter(is_superuser=True, is_active=True).order_by("pk").first()):
        return other.get_username(), "", False
    name, given = wanted or DEFAULT_USER, environ.get("TORIL_ADMIN_PASSWORD", "")
    made_up = "" if given else "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH))
    _check_name(name)
    users.create_superuser(username=name, email="", password=given or made_up)
    return name, made_up, True


def _check_name(name: str) -> None:
    from django.contrib.auth import get_user_model
    from django.core.exceptions import ValidationError

    try:
        get_user_model()._meta.get_field("username").clean(name, None)
    except ValidationError as error:
        raise PasswordUnfit(f"TORIL_ADMIN_USER is {name!r}: {' '.join(error.messages)}") from None


def _database() -> str:
    from django.conf import settings

    config = settings.DATABASES["default"]
    path = Path(str(config["NAME"]))
    if path.is_relative_to(ROOT):
        return str(path.relative_to(ROOT))
    return str(path) if not config.get("HOST") else f"{config['NAME']} at {config['HOST']}"


if __name__ == "__main__":
    sys.exit(main())
