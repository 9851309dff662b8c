"""`manage.py runworkers`: run the jobs that the processors in `<app>/jobs.py` are for."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from queues import processors
from queues.errors import ConfigurationError
from queues.options import get_options
from queues.worker import logs, probes, reload
from queues.worker.link import Link
from queues.worker.plans import NoProcessor, QueuePlan, make_plans
from queues.worker.process import DRAIN_TIMEOUT_S, Exit, Manner, leave, serve
from queues.worker.supervision.fleet import Fleet
from queues.worker.worker import Stopped

FROZEN_AFTER_S = 30.0
#: Sooner, a child that is well would be taken for frozen, again and again.
LEAST_FROZEN_S = 2.0
EPILOG = """\
SIGTERM or SIGINT: no new jobs, running ones finish; after --drain-timeout the rest goes back to the head of its queue.
A second signal hands back at once, a third ends the process. SIGTSTP: no new jobs; SIGCONT takes that back. With
--processes or --reload, SIGHUP replaces all processes, one after the other.

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


def patience(text: str) -> float:
    number = seconds(text)
    if number < LEAST_FROZEN_S:
        raise argparse.ArgumentTypeError(f"must be at least {LEAST_FROZEN_S:g}, for a sign is given every second")
    return number


def place(text: str) -> tuple[str, int]:
    try:
        return probes.place(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a port, or host:port") from None


class Command(BaseCommand):
    help = "Run jobs: every function decorated with @processor in the jobs.py of an installed app."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, **kwargs)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        _add_what(parser)
        _add_until(parser)
        _add_fleet(parser)
        _add_signs(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        _stand_in_for_closed()
        link = Link(options["supervised"]) if options["supervised"] is not None else None
        logs.configure(options["log_format"])
        is_own_process = bool(getattr(self, "_called_from_command_line", False))
        if is_own_process:
            # Ctrl-C during the imports: nothing runs yet, and nobody needs a traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            if not get_options().use_job_queue:
                raise CommandError(
                    "USE_JOB_QUEUE is false: jobs run in the process that adds them, so workers have none."
                )
            if link is None and (folders := self._supervision(options, is_own_process)) is not None:
                _fleet(options, folders).become()
            code, stopped = self.serve(options, link, is_own_process)
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        if is_own_process:
            leave(code, stopped)

    def serve(
        self, options: dict[str, Any], link: Link | None = None, is_own_process: bool = False
    ) -> tuple[Exit, Stopped]:
        processors.autodiscover()
        return serve(_plans(options), _manner(options, link, is_own_process))

    def _supervision(self, options: dict[str, Any], is_own_process: bool) -> list[str] | None:
        """None: this process works itself. Else it is to be a supervisor, and these folders make its code."""
        wants_reload = options["reload"]
        if wants_reload and options["burst"]:
            raise CommandError("--burst ends when all is done, and --reload never: give one of them.")
        if wants_reload is None:
            wants_reload = settings.DEBUG and is_own_process and not options["burst"]
        if options["processes"] is None and not wants_reload:
            return None
        if not is_own_process:
            raise CommandError("--processes and --reload start the command line again, and there is none.")
        return reload.project_folders() if wants_reload else []


def _stand_in_for_closed() -> None:
    """Of stdin, stdout and stderr: a socket would get their numbers, and be written to in their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--queues", type=names, default=[], help="only these, by comma, * for any text (all that have a processor)"
    )
    parser.add_argument("--connection", default="default", help="on which connection of the settings (%(default)s)")
    parser.add_argument("--exclude", type=names, default=[], help="not these; likewise")
    parser.add_argument("--concurrency", type=at_least_one, help="jobs at once, for each queue (its setting)")
    parser.add_argument("--name", default="", help="what processedBy says of its jobs (host name and process id)")


def _add_until(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drain-timeout",
        type=seconds,
        default=DRAIN_TIMEOUT_S,
        metavar="SECONDS",
        help="how long running jobs may take to finish when the worker is stopped (%(default)g)",
    )
    parser.add_argument("--burst", action="store_true", help="end when nothing is left that can run now")
    parser.add_argument("--max-jobs", type=at_least_one, metavar="N", help="end, or be replaced, after so many jobs")
    parser.add_argument(
        "--max-rss", type=at_least_one, metavar="MIB", help="end, or be replaced, once grown beyond; no job is cut off"
    )


def _add_fleet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processes", type=at_least_one, metavar="N", help="so many worker processes, and a supervisor over them"
    )
    parser.add_argument(
        "--frozen-after",
        type=patience,
        default=FROZEN_AFTER_S,
        metavar="SECONDS",
        help="replace a process that gives no sign for so long (%(default)g)",
    )
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="start anew when a file of the code changes (where DEBUG is true)",
    )
    parser.add_argument("--supervised", type=int, help=argparse.SUPPRESS)


def _add_signs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log-format", choices=logs.FORMATS, help="log lines for people or programs (the settings')")
    parser.add_argument(
        "--health-port", type=place, metavar="[HOST:]PORT", help="answer /livez and /readyz there (host 127.0.0.1)"
    )
    parser.add_argument("--health-file", type=Path, metavar="PATH", help="keep a file there while the worker lives")


def _plans(options: dict[str, Any]) -> list[QueuePlan]:
    try:
        return make_plans(
            processors.registry, get_options(), options["queues"], options["concurrency"], options["exclude"]
        )
    except NoProcessor:
        if options["queues"] or options["burst"]:
            raise
        return []


def _manner(options: dict[str, Any], link: Link | None, is_own_process: bool) -> Manner:
    """A supervisor weighs its children and answers for them."""
    is_alone = link is None
    return Manner(
        name=options["name"],
        connection=options["connection"],
        drain_timeout_s=options["drain_timeout"],
        is_burst=options["burst"],
        max_jobs=options["max_jobs"],
        max_rss_mib=options["max_rss"] if is_alone else None,
        health_port=options["health_port"] if is_alone else None,
        health_file=options["health_file"] if is_alone else None,
        link=link,
        is_own_process=is_own_process,
    )


def _fleet(options: dict[str, Any], folders: list[str]) -> Fleet:
    return Fleet(
        command=[sys.executable, *sys.orig_argv[1:]],
        processes=options["processes"] or 1,
        drain_timeout_s=options["drain_timeout"],
        frozen_after_s=options["frozen_after"],
        name=options["name"],
        max_rss_mib=options["max_rss"],
        max_jobs=options["max_jobs"],
        is_burst=options["burst"],
        watch=folders,
        health_port=options["health_port"],
        health_file=str(options["health_file"]) if options["health_file"] else None,
        log_level=logs.level(),
        is_json=logs.is_json(),
    )
