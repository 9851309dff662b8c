"""What every verb is given: who acts, on which connection, in what manner, and a loop to do it in."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from queues.actions.actor import Actor
from queues.console.exits import Exit
from queues.console.screen import Screen
from queues.errors import Refused
from queues.protocol.connections import close_wires

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    screen: Screen
    connection: str = "default"
    is_dry_run: bool = False
    #: What touches many is done without asking.
    is_sure: bool = False

    @property
    def actor(self) -> Actor:
        return Actor(None, f"{_user()}@{socket.gethostname()}")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it in a loop of its own, and leave no connection behind. Ctrl-C cancels it."""
        return asyncio.run(_closing(work))

    def would(self, sentence: str, **facts: Any) -> Exit:
        """What a dry run says instead of doing it."""
        self.screen.say(f"Dry run: {sentence}")
        self.screen.give({"dry_run": True, "would": sentence, **facts})
        return Exit.DONE

    def confirm(self, sentence: str) -> None:
        """Ask before many are touched. Raises Refused where the answer is no, or nobody is there to ask."""
        if self.is_sure:
            return
        if not is_interactive():
            raise Refused(f"{sentence} Nothing was done: nobody was there to ask. Give --yes to do it.")
        self.screen.note(sentence)
        if _answer("Do it? [y/N] ").strip().lower() not in ("y", "yes"):
            raise Refused("Nothing was done.")


def is_interactive() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _answer(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    # An end of input is no consent.
    return sys.stdin.readline()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user may have no name.
        return f"uid {os.getuid()}"


async def _closing(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    finally:
        await close_wires()
        await sync_to_async(connections.close_all)()


#: A verb: what it is given of the command line, and how it ended.
Verb = Callable[[Session, Any], Exit]
