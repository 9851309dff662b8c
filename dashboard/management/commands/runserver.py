"""`manage.py runserver`, with sockets: daphne's. Here instead of daphne among the apps, where every worker and command
would load Twisted (20 MiB) with it. A host that names no ASGI_APPLICATION keeps Django's own.
"""

from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING or getattr(settings, "ASGI_APPLICATION", None):
    from daphne.management.commands.runserver import Command
else:
    from django.contrib.staticfiles.management.commands.runserver import Command

__all__ = ["Command"]
