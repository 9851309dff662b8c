"""`python manage.py runmirror`: keep the tables in step with Redis until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from queues.errors import ConfigurationError
from queues.mirror.service import Mirror
from queues.options import get_options
from queues.worker import probes

log = logging.getLogger("queues.mirror")

#: Workers come first.
NICENESS = 10


EPILOG = """\
It waits for a Redis or a database that is away, and goes on by itself. SIGTERM or SIGINT ends it, nothing half written.

exit codes: 0 it was told to stop, 1 it could not start (also where USE_JOB_QUEUE is false: there is nothing to mirror).
"""


class Command(BaseCommand):
    help = "Mirror all queues of all connections into the database: one leads, any further one waits to take over."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument(
            "--nice", type=int, default=NICENESS, help="how much to lower its own priority (default: %(default)s)"
        )
        parser.add_argument(
            "--health-port", type=probes.place, metavar="[HOST:]PORT", help="answer /livez there (host 127.0.0.1)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not log.hasHandlers():
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        try:
            configured = get_options()
            if not configured.use_job_queue:
                raise CommandError("USE_JOB_QUEUE is false: there are no queues to mirror.")
            if options["nice"] > 0:
                os.nice(options["nice"])
            listening = probes.listen(options["health_port"]) if options["health_port"] else None
            asyncio.run(run(list(configured.connections), listening))
        except ConfigurationError as error:
            raise CommandError(str(error)) from error


async def run(connections: list[str], listening: socket.socket | None = None) -> None:
    """Until SIGTERM or SIGINT. Probes are answered on the socket, by the loop that mirrors: silence is its verdict."""
    # Where PostgreSQL's pool is used, it says in many words what the mirror says once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    works = Mirror(connections)
    mirror = asyncio.create_task(works.run(), name="mirror")
    probed = listening and asyncio.create_task(probes.answer(listening, lambda: report(works)), name="health port")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, mirror.cancel)
    try:
        await mirror
    except asyncio.CancelledError:
        log.info("stopped")
    finally:
        if probed:
            probed.cancel()


def report(works: Mirror) -> probes.Report:
    """Who waits to take over is as live and ready as who leads; a Redis or a database that is away is waited for."""
    fine = probes.Verdict(True)
    return probes.Report(fine, fine, {"leads": works.is_leading, "pid": os.getpid()})
