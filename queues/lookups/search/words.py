"""How texts become terms: the same for what is kept and for what is asked, so that both databases answer alike.

A term is one token to every tokenizer: no space, no control character, nothing outside ASCII but letters and digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from unicodedata import combining, normalize

LONGEST_WORD = 40
#: A longer value is one term all the same, by its hash; it has no beginnings.
LONGEST_VALUE = 80
_WORD = re.compile(r"[^\W_]+")
#: `TimeoutError` is found by `timeout` too.
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SPACE = re.compile(r"\s+")
_SAFE = re.compile(r"[\w!-~]*")


def fold(text: str) -> str:
    """Without case and without marks above and below letters: `Café` is `cafe`."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in normalize("NFKD", text.casefold()) if not combining(c)).casefold()


def words(text: str) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in _WORD.findall(fold(text))))


def split_words(text: str) -> list[str]:
    """The words, and those that stand joined in them: of `sendMail` also `send` and `mail`."""
    return list(dict.fromkeys([*words(text), *_humps(text)]))


def _humps(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        parts = _HUMP.findall(word) if word.isascii() else []
        if len(parts) > 1:
            yield from (part.lower()[:LONGEST_WORD] for part in parts if len(part) > 1)


def flat(text: str) -> str:
    """Folded, on one line, single spaces: what phrases are looked for in."""
    return _SPACE.sub(" ", fold(text)).strip()


def value(text: str) -> str:
    """A whole value as one token's text."""
    if text.isascii() and text.isalnum() and len(text) <= LONGEST_VALUE:
        return text.lower()
    joined = _SPACE.sub("_", fold(text).strip())
    if len(joined) <= LONGEST_VALUE and _SAFE.fullmatch(joined):
        return joined
    return "#" + blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
