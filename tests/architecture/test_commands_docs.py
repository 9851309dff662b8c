"""docs/commands.md says what the command does: verbs, their flags, exit codes and keys."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from queues.console.arguments import VERBS, add_verbs
from queues.console.exits import Exit
from queues.management.commands.queues import EPILOG
from queues.protocol import fleet, orders
from queues.protocol.keys import FleetKeys

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()
EVERYBODYS = {"--connection", "--json", "--dry-run"}


def parsers() -> dict[str, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser()
    add_verbs(parser)
    (verbs,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(verbs.choices)


def section(title: str) -> str:
    return re.split(r"^##+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))


def test_every_verb_has_its_section_and_every_section_its_verb() -> None:
    assert set(re.findall(r"^### (.+)$", PAGE, re.MULTILINE)) == set(VERBS)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_flags_of_each_verb_are_documented(verb: str) -> None:
    parser = parsers()[verb]
    flags = {flag for action in parser._actions for flag in action.option_strings} - {"-h", "--help"}
    assert flags >= EVERYBODYS
    assert flags_in(section(verb)) == flags - EVERYBODYS


def test_the_flags_of_all_verbs_are_documented() -> None:
    assert flags_in(section("For every verb")) == EVERYBODYS


def test_the_exit_codes_are_those_it_ends_with() -> None:
    documented = re.findall(r"^\| (\d+) \|", section("For every verb"), re.MULTILINE)
    assert sorted(map(int, documented)) == sorted(Exit)
    assert sorted(int(code) for code in re.findall(r"\b(\d+) [a-zR]", EPILOG)) == sorted(Exit)


def test_every_verb_that_may_touch_many_can_be_told_not_to_ask() -> None:
    assert {verb for verb, word in VERBS.items() if word.asks} <= {
        verb for verb, word in VERBS.items() if word.is_write
    }


def test_the_keys_and_figures_are_those_of_the_code() -> None:
    k = FleetKeys("<prefix>")
    for key in (k.processes, k.process("<id>"), k.control, k.answer("<request>")):
        assert f"| `{key.decode()}` |" in PAGE
    told = section("How workers are seen and spoken to")
    assert f"every {fleet.BEAT_EVERY_S:g} s" in told
    assert f"for {fleet.SILENT_AFTER_S:g} s is `silent`, after {fleet.KEPT_S:g} s" in told
    assert f"at most {fleet.MOST_RUNNING} jobs, {fleet.MOST_BYTES // 1024} KiB" in told
    assert f"within {orders.VALID_S:g} s is void" in told
    assert orders.KEPT_S == 120
