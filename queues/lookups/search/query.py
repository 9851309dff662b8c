"""The one line that people search with, read: `queue:chat state:failed data.user.id:42 -name:noise "free text"`.

All parts must hold. Whatever is typed becomes a search or a sentence that names the part which is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from django.utils.translation import gettext as _

from queues.errors import InvalidInput
from queues.lookups.search.expressions import Between, Both, Either, Node, Without
from queues.lookups.search.keys import DATA, KEYS, Asked, anything, of_data

LONGEST, MOST_PARTS, SHOWN = 1_000, 30, 60
_KEY = re.compile(r"([A-Za-z_][A-Za-z_-]{0,19}|data\.[^\s:\"]{1,200}):")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_BARE = re.compile(r"\S+")
_LIST = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^\s",]++)(?:,(?:"(?:[^"\\]|\\.)*+"|[^\s",]++))*+(?=\s|\Z)', re.DOTALL)
_ONE = re.compile(r'"((?:[^"\\]|\\.)*+)"|([^",]++)', re.DOTALL)
#: No text that is kept holds them, and databases stumble over them.
_ODD = re.compile("[\0\ud800-\udfff]")
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Query:
    """A search, frozen: `text` and `now_ms`, the moment that `since:2h` counts from, are all of it, and
    `parse(query.text, query.now_ms) == query`.
    """

    text: str
    now_ms: int
    root: Node = field(default_factory=lambda: Both(()), compare=False, repr=False)
    #: The whole search where it is one text and nothing else: it may be somebody's id.
    pasted: str = field(default="", compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """It means every job."""
        return self.root == Both(())


@dataclass(frozen=True, slots=True)
class _Part:
    """One part as it was typed: `key` empty for free text."""

    key: str
    values: tuple[tuple[str, bool], ...]
    is_negated: bool
    typed: str


def parse(text: str, now_ms: int) -> Query:
    """Raises InvalidInput with a sentence that names the part which cannot be read."""
    text = text.strip()
    if odd := _ODD.search(text):
        raise InvalidInput(_("A search cannot hold %(character)a.") % {"character": odd[0]})
    if len(text) > LONGEST:
        said = _("A search may have %(most)s characters; this one has %(count)s.")
        raise InvalidInput(said % {"most": f"{LONGEST:,}", "count": f"{len(text):,}"})
    parts = list(_parts(text))
    if len(parts) > MOST_PARTS:
        said = _("A search may have %(most)s parts; this one has %(count)s.")
        raise InvalidInput(said % {"most": MOST_PARTS, "count": len(parts)})
    alone = parts[0] if len(parts) == 1 and not parts[0].key and not parts[0].is_negated else None
    root = Both(tuple(_node(part, now_ms) for part in parts))
    return Query(text, now_ms, root, alone.values[0][0] if alone else "")


def _node(part: _Part, now_ms: int) -> Node:
    nodes = [_value(part, typed, is_quoted, now_ms) for typed, is_quoted in part.values]
    node = nodes[0] if len(nodes) == 1 else Either(tuple(nodes))
    if not part.is_negated:
        return node
    return Between(node.until_ms, node.from_ms) if isinstance(node, Between) else Without(node)


def _value(part: _Part, typed: str, is_quoted: bool, now_ms: int) -> Node:
    asked = Asked(typed, is_quoted, now_ms, part.typed[:SHOWN] + "…" * (len(part.typed) > SHOWN))
    if part.key.startswith(DATA):
        return of_data(part.key.removeprefix(DATA), asked)
    return KEYS[part.key].read(asked) if part.key else anything(asked)


def _parts(text: str) -> Iterator[_Part]:
    at = 0
    while (start := _next(text, at)) < len(text):
        part, at = _part(text, start)
        yield part


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _part(text: str, start: int) -> tuple[_Part, int]:
    is_negated = text[start] == "-" and text[start + 1 : start + 2].strip() != ""
    at = start + is_negated
    key = _key(text, at)
    if key:
        values, end = _listed(text, at + len(key) + 1, key)
    else:
        values, end = _free(text, at)
    return _Part(key.casefold() if not key.startswith(DATA) else key, values, is_negated, text[start:end]), end


def _key(text: str, at: int) -> str:
    """The field before a colon; none where it is no field's name, for ids and addresses hold colons too."""
    found = _KEY.match(text, at)
    if found is None:
        return ""
    key = found[1]
    if key.casefold() in KEYS or key.startswith(DATA):
        return key
    if close := get_close_matches(key.casefold(), KEYS, 1, 0.75):
        said = _("“%(typed)s:” is no field; did you mean “%(meant)s:”? Put it in quotes to search for the text.")
        raise InvalidInput(said % {"typed": key, "meant": close[0]})
    return ""


def _free(text: str, at: int) -> tuple[tuple[tuple[str, bool], ...], int]:
    if text[at] == '"':
        found = _QUOTED.match(text, at)
        if found is None:
            raise _unclosed(text, at)
        return ((_plain(found[1]), True),), found.end()
    found = _BARE.match(text, at)
    end = found.end() if found else at + 1
    return ((text[at:end], False),), end


def _listed(text: str, at: int, key: str) -> tuple[tuple[tuple[str, bool], ...], int]:
    """One value or several with commas between, each bare or in quotes."""
    found = _LIST.match(text, at)
    if found is None:
        bare = _BARE.match(text, at)
        if bare is None:
            raise InvalidInput(_("“%(key)s:” needs a value.") % {"key": key})
        if bare[0].count('"') % 2:
            raise _unclosed(text, text.index('"', at))
        said = _("“%(typed)s” cannot be read: several values stand as a,b,c, each in quotes if need be.")
        raise InvalidInput(said % {"typed": f"{key}:{bare[0]}"[:SHOWN]})
    values = tuple((_plain(one[1]), True) if one[1] is not None else (one[2], False) for one in _ONE.finditer(found[0]))
    return values, found.end()


def _unclosed(text: str, at: int) -> InvalidInput:
    rest = text[at : at + 30]
    return InvalidInput(_("The quote before “%(rest)s” is not closed.") % {"rest": rest.lstrip('"') or rest})


def _plain(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted)
