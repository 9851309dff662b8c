"""`manage.py queues`: look at queues, jobs and workers, and steer them, from the command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from queues.console.arguments import VERBS, add_verbs
from queues.console.exits import Exit, exit_of
from queues.console.screen import Screen, Unwritable, printable
from queues.console.session import Session
from queues.errors import TorilError
from queues.options import get_options

EPILOG = """\
Every verb has its own --help. Writes are recorded in the audit like a click, under your system user's name.

exit codes: 0 done, 1 refused or failed, wholly or in part, 2 wrong usage or configuration, 3 not found,
4 Redis is away, 130 interrupted.
"""


class Command(BaseCommand):
    help = "Look at queues, jobs and workers, and steer them."
    # A mistake in the settings has a sentence and a code of its own.
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        add_verbs(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if getattr(self, "_called_from_command_line", False):
            # As Ctrl-C: what is under way ends between two steps, and its record is closed.
            signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                # A script that starts it in the background has it ignore Ctrl-C; it must not ignore its end.
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._open_what_is_closed()
        # Django writes errors in red at a terminal, and questions and progress are none.
        self.stderr.style_func = None
        screen = Screen(self.stdout, self.stderr, is_json=options["json"])
        try:
            code, sentence = self.run(screen, options), ""
        except Unwritable as error:
            code, sentence = Exit.REFUSED, str(error)
            _write_nowhere()
        except TorilError as error:
            code, sentence = exit_of(error), str(error)
            screen.give({"error": {"code": error.code, "message": sentence}})
        except KeyboardInterrupt:
            code, sentence = Exit.INTERRUPTED, "Interrupted; what was done until then is recorded."
        except BrokenPipeError:
            # Whoever read along has left, as `head` does.
            code, sentence = Exit.DONE, ""
            _write_nowhere()
        if code is Exit.DONE:
            return
        if not getattr(self, "_called_from_command_line", False):
            raise CommandError(printable(sentence) or "Not everything was done.", returncode=code)
        if sentence:
            screen.note(sentence)
        sys.exit(code)

    def _open_what_is_closed(self) -> None:
        """`>&-` means that nobody wants to read it, and Python has no stream then."""
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:
                setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # for as long as the process lives
                setattr(self, name, OutputWrapper(getattr(sys, name)))

    def run(self, screen: Screen, options: dict[str, Any]) -> Exit:
        connection = options["connection"] or "default"
        get_options().connection(connection)
        session = Session(screen, connection, options["dry_run"], options.get("yes", False))
        return VERBS[options["verb"]].run(session, argparse.Namespace(**options))


def _write_nowhere() -> None:
    """What is still in the buffer would raise once more on the way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
