"""Lines of a job's log as they are drawn: without what drives terminals, secrets masked, each with its level."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from queues.lookups.logs import Line
from queues.masking import mask_text

#: Longer lines are judged by their beginning.
JUDGED = 160
LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "err": "error",
    "fatal": "error",
    "critical": "error",
    "crit": "error",
    "severe": "error",
    "panic": "error",
}
#: pino's and bunyan's numbers.
_NUMBERS = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "error"}
_WORDS = "|".join(LEVELS)
#: A level is written apart from the sentence: in capitals, in brackets, behind `level=`, or before a colon. “no error
#: found” is none.
_LEVEL = re.compile(
    rf"""["']?\b(?:level|lvl|severity|levelname)["']?\s*[=:]\s*["']?(?P<named>{_WORDS}|[1-6]0)\b"""
    rf"""|[\[(<](?P<bracketed>{_WORDS})[\])>]|(?<!\S)(?P<before>{_WORDS})\s*:"""
    rf"""|^[\d\-:.,TZ+\s]{{8,40}}\s(?P<after>{_WORDS})\b""",
    re.IGNORECASE,
)
_SAID = re.compile(rf"\b(?:{_WORDS})\b", re.IGNORECASE)
_CAPITALS = re.compile(rf"\b({_WORDS.upper()})\b")
#: Colours and cursor moves, titles and links; an unfinished one at the end too.
ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*(?:[@-~]|$)|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[@-Z\\-_]|$)|\x9b[0-?]*[ -/]*[@-~]"
)
_COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?P<code>31|91|33|93)(?:;\d+)*m")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0)) if code not in (9, 10)} | {
    code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """`level`: debug, info, warning, error, or "" for none; `is_unsaid`: the line itself has no word for it."""

    number: int
    text: str
    level: str
    is_unsaid: bool = False


def drawn(lines: Iterable[Line]) -> list[Drawn]:
    return [_drawn(line) for line in lines]


def _drawn(line: Line) -> Drawn:
    text, found = plain(line.text), level(line.text)
    return Drawn(line.number, text, found, bool(found) and not _SAID.search(text[:JUDGED]))


def plain(stored: str) -> str:
    """The line as it is shown, found and copied."""
    return mask_text(ANSI.sub("", stored).translate(_CONTROLS))


def level(stored: str) -> str:
    head = stored[:JUDGED]
    bare = ANSI.sub("", head)
    if found := _LEVEL.search(bare):
        word = next(filter(None, found.groups())).lower()
        return _NUMBERS[int(word)] if word.isdigit() else LEVELS[word]
    if found := _CAPITALS.search(bare):
        return LEVELS[found[1].lower()]
    if found := _COLOUR.search(head):
        return "error" if found["code"][1] == "1" else "warning"
    return ""
