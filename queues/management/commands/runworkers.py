"""`manage.py runworkers`: run the jobs that the processors in `<app>/jobs.py` are for."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from queues import processors
from queues.errors import ConfigurationError
from queues.options import get_options
from queues.worker.plans import make_plans
from queues.worker.process import DRAIN_TIMEOUT_S, Exit, leave, serve
from queues.worker.worker import Stopped

EPILOG = """\
SIGTERM or SIGINT: no new jobs, running ones finish; after --drain-timeout the rest goes back to the head of its queue.
A second signal hands back at once, a third ends the process.

exit codes: 0 every running job was finished, 3 some were handed back unfinished, 1 the worker could not start or go on.
"""


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds, 0 or more")
    return number


class Command(BaseCommand):
    help = "Run jobs: every function decorated with @processor in the jobs.py of an installed app."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, **kwargs)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("--queues", type=names, default=[], help="only these, by comma (all that have a processor)")
        parser.add_argument("--concurrency", type=at_least_one, help="jobs at once, for each queue (its setting)")
        parser.add_argument(
            "--drain-timeout",
            type=seconds,
            default=DRAIN_TIMEOUT_S,
            metavar="SECONDS",
            help="how long running jobs may take to finish when the worker is stopped (%(default)g)",
        )
        parser.add_argument("--name", default="", help="what processedBy says of its jobs (host name and process id)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not logging.getLogger("queues.worker").hasHandlers():
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        try:
            code, stopped = self.serve(options)
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        if getattr(self, "_called_from_command_line", False):
            leave(code, stopped)

    def serve(self, options: dict[str, Any]) -> tuple[Exit, Stopped]:
        configured = get_options()
        if not configured.use_job_queue:
            raise CommandError("USE_JOB_QUEUE is false: jobs run in the process that adds them, so workers have none.")
        processors.autodiscover()
        plans = make_plans(processors.registry, configured, options["queues"], options["concurrency"])
        return serve(plans, name=options["name"], drain_timeout_s=options["drain_timeout"])
