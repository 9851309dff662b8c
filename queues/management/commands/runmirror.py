"""`python manage.py runmirror`: keep the tables in step with Redis until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from queues.mirror.service import Mirror
from queues.options import get_options

log = logging.getLogger("queues.mirror")

#: Workers come first.
NICENESS = 10


class Command(BaseCommand):
    help = "Mirror all queues of all connections into the database: one leads, any further one waits to take over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--nice", type=int, default=NICENESS, help="how much to lower its own priority (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not get_options().use_job_queue:
            self.stdout.write("USE_JOB_QUEUE is false: there are no queues to mirror.")
            return
        if options["nice"] > 0:
            os.nice(options["nice"])
        asyncio.run(run(list(get_options().connections)))


async def run(connections: list[str]) -> None:
    """Until SIGTERM or SIGINT."""
    mirror = asyncio.create_task(Mirror(connections).run(), name="mirror")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, mirror.cancel)
    try:
        await mirror
    except asyncio.CancelledError:
        log.info("stopped")
