"""Run in the host's folder: tables, a clerk, receipts that fail at their first attempt, and static files."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()

from django.contrib.auth import get_user_model
from django.core.management import call_command

from queues import queue

call_command("migrate", verbosity=0)
call_command("collectstatic", verbosity=0, interactive=False)
get_user_model().objects.create_superuser("ana", password=os.environ["CLERK_PASSWORD"])
for way in ("wsgi", "asgi"):
    queue("receipts").sync.add("print", {"till": way}, job_id=way)
call_command("runworkers", burst=True)
