"""docs/workers.md says what `runworkers` does: flags and defaults, exit codes, paths and bounds of probes."""

import argparse
import re
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand, CommandError

from queues.management.commands.runworkers import FROZEN_AFTER_S, LEAST_FROZEN_S
from queues.worker.health import BLOCKED_S, LATE_S
from queues.worker.probes import PATHS
from queues.worker.process import DRAIN_TIMEOUT_S, Exit
from queues.worker.supervision.slot import LONGEST_PAUSE_S, WELL_S
from queues.worker.supervision.supervisor import HOPELESS, WORST

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "workers.md").read_text()


def row(name: str) -> str:
    found = re.search(rf"^\| `{re.escape(name)}[^|]*\|(.*)\|$", PAGE, re.MULTILINE)
    assert found, f"no row for {name}"
    return found[1]


def test_the_flags_are_all_there():
    parser = load_command_class("queues", "runworkers").create_parser("manage.py", "runworkers")
    theirs = BaseCommand().create_parser("manage.py", "any")
    of_django = {flag for action in theirs._actions for flag in action.option_strings}
    ours = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    flags = {flag for action in ours for flag in action.option_strings} - of_django
    cells = re.findall(r"^\| (`--[^|]*) \|", PAGE, re.MULTILINE)
    assert {name.split()[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)} == flags


def test_defaults_and_bounds_are_those_of_the_code():
    assert f"({DRAIN_TIMEOUT_S:g})" in row("--drain-timeout")
    assert f"({FROZEN_AFTER_S:g}); at least {LEAST_FROZEN_S:g}." in row("--frozen-after")
    assert f"{LATE_S:g} s" in row("/livez")
    assert f"{BLOCKED_S / 60:g} minutes" in row("/livez")
    assert f"{LATE_S:g} s" in row("/readyz")
    assert f"lived less than {WELL_S:g} s" in PAGE
    assert f"… {LONGEST_PAUSE_S:g} s" in PAGE
    assert HOPELESS == 5
    assert "tried five times" in PAGE


def test_no_flag_makes_a_child_that_is_well_look_frozen():
    parser = load_command_class("queues", "runworkers").create_parser("manage.py", "runworkers")
    for given in ("0", "1.9", "nan", "soon"):
        with pytest.raises(CommandError, match="--frozen-after"):
            parser.parse_args(["--frozen-after", given])
    assert parser.parse_args(["--frozen-after", "2"]).frozen_after == LEAST_FROZEN_S


def test_the_paths_of_probes_are_all_there():
    assert set(re.findall(r"^\| `(/\w+)`", PAGE, re.MULTILINE)) == set(PATHS)


def test_the_exit_codes_are_those_of_the_process():
    assert sorted(map(int, re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE))) == sorted(Exit)
    assert f"{WORST[0]}, then {WORST[1]}, then {WORST[2]}" in PAGE
