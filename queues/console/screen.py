"""What a terminal, or a program, is shown. Names and payloads come from anybody: no control character of theirs gets
through, or a job could move the cursor, change the title or speak for the command.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol
from unicodedata import combining, east_asian_width

from queues.errors import TorilError

CELL = 40


def printable(text: str) -> str:
    """The text on one line, with everything that does not print as an escape: `\\x1b`, `\\n`, `\\u202e`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def printable_lines(text: str) -> list[str]:
    """The same for a text of several lines."""
    return [printable(line.replace("\t", "    ")) for line in text.replace("\r\n", "\n").split("\n")]


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def width(text: str) -> int:
    """Columns that a terminal gives it."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """As much of it as fits."""
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for char in text:
        used += width(char)
        if used > columns - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def span(seconds: float) -> str:
    """“0.4 s”, “37 s”, “5 min”, “3 h”, “12 d”"""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    for limit, unit, divisor in ((120, "s", 1), (7_200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:,.0f} d"


def moment(ms: int | None) -> str:
    """Local time with its offset; empty for none, the number itself where no calendar has it."""
    if not ms:
        return ""
    try:
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(ms / 1000))}.{ms % 1000:03d}{time.strftime('%z')}"
    except (ValueError, OverflowError, OSError):
        return str(ms)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, cell: int = CELL) -> list[str]:
    """Lines with aligned columns: the first `left` to the left, the rest, being numbers, to the right."""
    cells = [list(heads), *([cut(printable(text), cell) for text in row] for row in rows)]
    widths = [max(width(row[at]) for row in cells) for at in range(len(heads))]
    return ["  ".join(_aligned(text, widths[at], at < left) for at, text in enumerate(row)).rstrip() for row in cells]


def _aligned(text: str, columns: int, to_left: bool) -> str:
    blank = " " * (columns - width(text))
    return text + blank if to_left else blank + text


class Stream(Protocol):
    """Of a text stream: what is needed here; Django's wrappers have it too."""

    def write(self, text: str, /) -> Any: ...
    def flush(self) -> None: ...


class Unwritable(TorilError):
    """The output takes nothing more (a full disk); what was done is done."""

    code = "unwritable"


class Screen:
    """Where a verb says what it did: lines for people, or with `--json` one object per line for programs."""

    def __init__(self, out: Stream, err: Stream, *, is_json: bool) -> None:
        self._out, self._err, self.is_json = out, err, is_json

    def lines(self, lines: Sequence[str]) -> None:
        """To people."""
        if not self.is_json:
            for line in lines:
                self._write(self._out, line)

    def say(self, sentence: str) -> None:
        """To people, one line."""
        self.lines([printable(sentence)])

    def give(self, value: Mapping[str, Any]) -> None:
        """To programs."""
        if self.is_json:
            # ASCII: whatever it holds, a terminal sees no more than text.
            self._write(self._out, json.dumps(value, ensure_ascii=True, default=str))

    def note(self, sentence: str) -> None:
        """To whoever watches: progress and warnings, beside the output. Nothing stops where they cannot be written."""
        with suppress(BrokenPipeError, Unwritable):
            self._write(self._err, printable(sentence))

    def _write(self, stream: Stream, line: str) -> None:
        """Raises BrokenPipeError where the reader has left, Unwritable for any other trouble."""
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unwritable(f"The output cannot be written: {error.strerror}.") from None
