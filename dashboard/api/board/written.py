"""JSON of which some pieces are stored text already: what a producer wrote keeps its every digit."""

from __future__ import annotations

import json
from typing import Any

from queues.protocol.codec import to_json


class Verbatim(str):
    """JSON text, to stand in an answer as it is."""

    __slots__ = ()


def written(value: Any) -> str:
    """Compact JSON. Raises ValueError for a number that is none."""
    if isinstance(value, Verbatim):
        return value
    if isinstance(value, dict):
        return "{" + ",".join([f"{to_json(name)}:{written(part)}" for name, part in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([written(part) for part in value]) + "]"
    return to_json(value)


def as_stored(text: str) -> Verbatim | None:
    """The text, where every program reads it as JSON; None where one would choke on it."""
    try:
        json.loads(text, parse_constant=_no_number, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return Verbatim(text)


def _no_number(word: str) -> None:
    raise ValueError(word)
