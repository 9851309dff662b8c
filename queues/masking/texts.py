"""Secrets in free text: `password=…`, `Authorization: Bearer …`, `--token …`, and whatever has a secret's shape."""

from __future__ import annotations

import re
from collections.abc import Iterator

from queues.masking.names import LONGEST_NAME, Rules, kind_of
from queues.masking.shapes import shapes
from queues.masking.spans import MASK, Span, merged

#: No text without one of these holds a secret that is found here.
SUSPECT = re.compile(
    r"[=:]|[\w-]{16}|\\u00|--\w|(?i:bearer|basic) |[2-6](?:[0-9]{12}|[0-9]{3}[ -][0-9]{4,6}[ -])", re.ASCII
)
#: Bounded, so that no text makes it look at the same character often.
_PAIR = re.compile(r"(?<![\w.-])([\w.-]{2,80}+)\\{0,4}[\"'`\]]{0,2}+\s{0,4}+(?:=>|:=|==?|:(?!//))\s{0,8}+", re.ASCII)
_FLAG = re.compile(r"(?<![\w-])--([\w-]{2,60}+)\s{1,4}+(?=[^\s-])", re.ASCII)
_VALUE = re.compile(
    r"(?P<quote>\\{0,4}[\"'`])(?P<quoted>.{0,4096}?)(?P=quote)"
    r"|[\"'`\\]{0,5}+(?P<bare>(?:(?i:bearer|basic|token|digest|apikey|negotiate)[ \t]{1,4}+)?[^\s,;\"'`<>&(){}\[\]]++)",
    re.DOTALL,
)
_LINE = re.compile(r"[\"'`\\]{0,5}+([^\r\n\"'`]{1,4096}+)")
_WORD_BEFORE = re.compile(r"([A-Za-z]{2,20})[ _-]\Z")
#: Words that say which secret it is only together with the one before: `API key: …`.
_SECOND_WORDS = frozenset({"key", "keys", "number", "code", "string"})
_NO_VALUES = frozenset({"null", "none", "nil", "true", "false", "undefined", "", MASK})
_NUMBER = re.compile(r"[+-]?[0-9][0-9_.,]*\Z")


def text_spans(text: str, told: Rules) -> list[Span]:
    """In order, none in another."""
    return merged([*_pairs(text, told), *shapes(text)]) if SUSPECT.search(text) else []


def _pairs(text: str, told: Rules) -> Iterator[Span]:
    for pattern in (_PAIR, _FLAG):
        at = len(text) if pattern is _FLAG and "--" not in text else 0
        while found := pattern.search(text, at):
            at = found.end()
            name = found[1]
            if kind := kind_of(name, told) or _with_word_before(text, found.start(1), name, told):
                value = _value(text, at, name)
                # What a value holds is not looked at again: else each of many in one would be.
                at = max(at, value[1])
                if _is_secret(text[slice(*value)], kind):
                    yield *value, MASK


def _with_word_before(text: str, at: int, name: str, told: Rules) -> str:
    if name.lower() not in _SECOND_WORDS:
        return ""
    before = _WORD_BEFORE.search(text[max(0, at - 24) : at])
    return kind_of(f"{before[1]}_{name}"[:LONGEST_NAME], told) if before else ""


def _value(text: str, at: int, name: str) -> tuple[int, int]:
    found = (_LINE if "cookie" in name.lower() else _VALUE).match(text, at)
    if found is None:
        return at, at
    return found.span("quoted" if found.re is _VALUE and found["quote"] is not None else found.lastindex or 0)


def _is_secret(value: str, kind: str) -> bool:
    if value.lower() in _NO_VALUES or not value.strip("*"):
        return False
    return not (kind == "counted" and _NUMBER.match(value))
