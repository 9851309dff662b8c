"""`manage.py runserver`, with sockets: daphne's. Here instead of daphne among the apps, where every worker and command
would load Twisted (20 MiB) with it.
"""

from daphne.management.commands.runserver import Command

__all__ = ["Command"]
