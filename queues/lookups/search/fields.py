"""The fields of a job's data, as far as they are kept: `user.id` and its value, from JSON that may be cut or broken.

One pass over the text; numbers stay as they are written, nothing nests without bound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

DEEPEST = 12
LONGEST_KEPT = 200
# A text that is not closed is one to the end: looked at once, however many quotes follow.
_TOKEN = re.compile(r'"((?:[^"\\]++|\\.)*+)(?:"(\s*+:)?|\\?\Z)|([{\[])|([}\]])|([^\s"{}\[\],:]++)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A text, number or word at a path (places in lists left out), and where in the JSON it begins."""

    path: str
    value: str
    at: int
    is_text: bool


def leaves(text: str) -> Iterator[Leaf]:
    """In order. Of what is no JSON: whatever looks like it."""
    keys: list[str] = [""]
    for found in _TOKEN.finditer(text):
        if found[3]:
            if len(keys) > DEEPEST:
                return
            keys.append("")
        elif found[4]:
            if len(keys) > 1:
                keys.pop()
        elif found[2] is not None:
            keys[-1] = _plain(found[1])
        else:
            is_text = found[5] is None
            yield Leaf(joined(keys), _plain(found[1]) if is_text else found[5], found.start(), is_text)


def joined(keys: list[str]) -> str:
    path = tuple(keys)
    # The same few paths in thousands of jobs; long ones are not kept.
    return _joined(path) if sum(map(len, path)) < LONGEST_KEPT else _joined.__wrapped__(path)


@lru_cache(maxsize=8192)
def _joined(keys: tuple[str, ...]) -> str:
    """`items.0.id` is `items.id`: a list is searched whole."""
    return ".".join(key for key in ".".join(keys).split(".") if key and not key.isdecimal())


def _plain(body: str) -> str:
    if "\\" not in body:
        return body
    try:
        return str(json.loads(f'"{body}"', strict=False))
    except ValueError:
        return body
