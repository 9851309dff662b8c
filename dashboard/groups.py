"""The ready-made groups viewer, operator and admin: there after a fresh `migrate`, and yours from then on."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

from queues.abilities import ROLES


def make_groups(app_config: AppConfig, using: str = "default", **kwargs: Any) -> None:
    """Those that are missing. One that is there is left as it is: what you changed in it stays changed."""
    there = set(Group.objects.using(using).filter(name__in=ROLES).values_list("name", flat=True))
    if not (missing := ROLES.keys() - there):
        return
    # Which of two receivers of a migration comes first is the order of INSTALLED_APPS: a host may have another.
    create_permissions(app_config, verbosity=0, using=using)
    held = {p.codename: p for p in Permission.objects.using(using).filter(content_type__app_label=app_config.label)}
    for name in missing:
        group = Group.objects.using(using).create(name=name)
        group.permissions.set([held[ability] for ability in ROLES[name]])
