"""The ready-made groups viewer, operator and admin: there after a fresh `migrate`, and yours from then on."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps import apps as newest
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions

from queues.abilities import ABILITIES, ROLES


def make_groups(app_config: AppConfig, using: str = "default", apps: Apps = newest, **kwargs: Any) -> None:
    """Those that are missing. One that is there is left as it is: what you changed in it stays changed.

    `apps` is the state that was migrated to: where it has no abilities yet, nothing is made.
    """
    try:
        groups, permissions = (apps.get_model("auth", name).objects.using(using) for name in ("Group", "Permission"))
    except LookupError:
        return
    there = set(groups.filter(name__in=ROLES).values_list("name", flat=True))
    if not (missing := ROLES.keys() - there):
        return
    # Which of two receivers of a migration comes first is the order of INSTALLED_APPS: a host may have another.
    create_permissions(app_config, verbosity=0, using=using, apps=apps)
    held = {p.codename: p.pk for p in permissions.filter(content_type__app_label=app_config.label)}
    if not held.keys() >= ABILITIES.keys():
        return
    for name in missing:
        groups.create(name=name).permissions.set([held[ability] for ability in ROLES[name]])
