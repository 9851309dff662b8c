"""How the house speaks to the person at the terminal: one short line per thing, its topic in front."""

from __future__ import annotations

import os
import sys

WIDTH = 9
COLOURS = {"web": "34", "worker": "32", "mirror": "35", "traffic": "36"}

_is_heard = True


def say(topic: str, text: str) -> None:
    """One line: what it is about, then what happens."""
    write(f"  {painted(f'{topic:<{WIDTH}}', '2')} {text}")


def relay(name: str, line: str) -> None:
    """A line that a child wrote."""
    write(f"  {painted(f'{name:<{WIDTH}}', COLOURS.get(name, '33'))} {painted('│', '2')} {line}")


def write(text: str) -> None:
    """Never raises: who is ending the children must not stop half-way because nobody reads any more."""
    global _is_heard
    if not _is_heard:
        return
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        _is_heard = False
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_heard() -> bool:
    """Whether somebody still reads what is written."""
    return _is_heard


def painted(text: str, code: str) -> str:
    """`text` in an ANSI colour where someone looks at a terminal that has colours."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"
