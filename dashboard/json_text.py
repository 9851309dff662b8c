"""JSON as text: is it JSON, and where not; laid out for reading. No number is parsed: every digit stays as typed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

#: What the editor takes.
MOST_BYTES = 256 * 1024
#: Deeper nesting is refused, and not indented further.
DEEPEST = 100
#: A list or object that holds no other and is no longer than this stays on one line.
FLAT_LENGTH, FLAT_TOKENS = 60, 40
#: More than that nobody reads, and laid out it would be tens of megabytes of space: it stays as it is.
MOST_TOKENS = 60_000
# A text that is not closed is one odd token to the end: looked at once, however many quotes follow.
TOKEN = re.compile(
    r'\s+|("(?:[^"\\]++|\\.)*+")|([{\[])|([}\]])|([:,])|([^\s{}\[\]:,"]+)|("(?:[^"\\]++|\\.)*+\\?\Z|.)', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """Lines and columns begin with 1; 0 where it lies in the whole."""

    line: int
    column: int
    words: str

    @property
    def sentence(self) -> str:
        if not self.line:
            return self.words
        place = {"line": self.line, "column": self.column, "words": self.words}
        return _("Line %(line)s, column %(column)s: %(words)s") % place


class _Twice(ValueError):
    pass


def mistake(text: str) -> Mistake | None:
    """The first thing that keeps the text from being JSON as every program reads it; None for JSON."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return Mistake(0, 0, _("This is longer than %(most)s KB.") % {"most": MOST_BYTES // 1024})
    if not text.strip():
        return Mistake(1, 1, _("There is nothing. Write null, {} or another value."))
    if (at := text.find("\0")) >= 0:
        return _at(text, at, _("a NUL byte is no text"))
    try:
        json.loads(text, object_pairs_hook=_once, parse_int=str, parse_float=str, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        return Mistake(error.lineno, error.colno, _worded(error.msg))
    except RecursionError:
        return Mistake(0, 0, _("This is nested too deeply."))
    except _Twice as error:
        key = str(error)
        found = [match.start() for match in TOKEN.finditer(text) if match[1] and _same(match[1], key)]
        return _at(text, found[-1] if found else 0, _("the key “%(key)s” stands twice in one object") % {"key": key})
    except ValueError as error:
        return _at(text, max(text.find(str(error)), 0), _("%(word)s is no JSON; write null") % {"word": str(error)})
    return _too_deep(text)


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _value in pairs:
        if key in seen:
            raise _Twice(key)
        seen.add(key)


def _no_number(word: str) -> None:
    raise ValueError(word)


def _same(token: str, key: str) -> bool:
    try:
        return bool(json.loads(token, strict=False) == key)
    except ValueError:
        return False


def _too_deep(text: str) -> Mistake | None:
    depth = 0
    for token in TOKEN.finditer(text):
        depth += bool(token[2]) - bool(token[3])
        if depth > DEEPEST:
            return _at(text, token.start(), _("this is nested more than %(most)s deep") % {"most": DEEPEST})
    return None


def _at(text: str, offset: int, words: str) -> Mistake:
    line = text.count("\n", 0, offset) + 1
    return Mistake(line, offset - text.rfind("\n", 0, offset), words)


def _worded(message: str) -> str:
    """Python's words for a mistake as sentences of ours; unknown ones as they are."""
    known = {
        "Expecting value": _("a value is missing here"),
        "Expecting ',' delimiter": _("a comma is missing here, or a bracket before it"),
        "Expecting ':' delimiter": _("a colon is missing after the key"),
        "Expecting property name enclosed in double quotes": _("a key in double quotes is missing here"),
        "Illegal trailing comma before end of object": _("this comma has nothing after it"),
        "Illegal trailing comma before end of array": _("this comma has nothing after it"),
        "Unterminated string starting at": _("this text has no closing quote"),
        "Invalid control character at": _(
            "a line break or control character inside text must be written as \\n, \\t …"
        ),
        "Invalid \\escape": _("this backslash begins no escape; a backslash itself is written twice"),
        "Invalid \\uXXXX escape": _("\\u must be followed by four hex digits"),
        "Extra data": _("the value ended before this"),
    }
    return known.get(message.removesuffix(" "), message)


# --- layout


def laid_out(text: str) -> str:
    """Indented, each token as it is; what is no JSON at all stays as it is."""
    tokens = [match for match in TOKEN.finditer(text) if not match[0].isspace()]
    if len(tokens) > MOST_TOKENS or any(token[6] for token in tokens):
        return text
    made: list[str] = []
    depth, flat_until = 0, -1
    for at, token in enumerate(tokens):
        if token[2] and at > flat_until:
            flat_until = max(_flat_end(tokens, at), flat_until)
        is_flat = at <= flat_until
        depth = max(depth + bool(token[2]) - bool(token[3]), 0)
        if token[2]:
            made.append(token[0] + ("" if is_flat else _line(depth)))
        elif token[3]:
            made.append(token[0] if is_flat else _line(depth) + token[0])
        elif token[4]:
            made.append(": " if token[0] == ":" else ", " if is_flat else "," + _line(depth))
        else:
            made.append(token[0])
    return "".join(made)


def _flat_end(tokens: list[re.Match[str]], at: int) -> int:
    """Where the list or object that opens here ends, if it is short and holds no other."""
    length = 0
    for end in range(at + 1, min(at + FLAT_TOKENS, len(tokens))):
        length += len(tokens[end][0])
        if tokens[end][2] or length > FLAT_LENGTH:
            return -1
        if tokens[end][3]:
            return end
    return -1


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, DEEPEST)


def is_same(one: str, other: str) -> bool:
    """Whether both say the same, token by token: space apart."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    return [match[0] for match in TOKEN.finditer(text) if not match[0].isspace()]


def members(text: str) -> dict[str, str] | None:
    """An object's members as JSON text, every digit as it is; None for what is no object."""
    if mistake(text) is not None or not text.lstrip().startswith("{"):
        return None
    found: dict[str, str] = {}
    depth, key, start = 0, None, -1
    for token in TOKEN.finditer(text):
        if token[0].isspace():
            continue
        if (token[3] and depth == 1) or (token[0] == "," and depth == 1):
            if key is not None:
                found[key] = text[start : token.start()].strip()
            key, start = None, -1
        elif depth == 1 and key is None and token[1]:
            key = json.loads(token[1])
        elif depth == 1 and token[0] == ":" and start < 0:
            start = token.end()
        depth += bool(token[2]) - bool(token[3])
    return found
