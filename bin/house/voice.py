"""How the house speaks to the person at the terminal: one short line per thing, its topic in front."""

from __future__ import annotations

import os
import sys

WIDTH = 9


def say(topic: str, text: str) -> None:
    """One line: what it is about, then what happens."""
    print(f"  {painted(f'{topic:<{WIDTH}}', '2')} {text}", flush=True)


def painted(text: str, code: str) -> str:
    """`text` in an ANSI colour where someone looks at a terminal that has colours."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"
