"""Data that a program got with masks in it, changed and sent back: each mask that stands where it stood keeps what is
stored there. What is stored never leaves, and a mask is never stored.
"""

from __future__ import annotations

from typing import Any

from queues.masking import MASK, mask_json
from queues.protocol.codec import parse_json, to_json


class Misplaced(ValueError):
    """A mask that stands for nothing: it was moved, or made up."""


def unmasked(sent: Any, stored: str) -> Any:
    """What is to be stored for what was sent. Raises Misplaced."""
    if MASK not in to_json(sent):
        return sent
    made = _restored(sent, parse_json(mask_json(stored)), parse_json(stored))
    # Whoever may not see a secret must not be able to move it to where it would be seen.
    if mask_json(to_json(made)) != mask_json(to_json(sent)):
        raise Misplaced
    return made


def _restored(sent: Any, shown: Any, stored: Any) -> Any:
    if sent == shown and type(sent) is type(shown):
        return stored
    if isinstance(sent, dict):
        told, kept = _object(shown), _object(stored)
        return {name: _restored(value, told.get(name), kept.get(name)) for name, value in sent.items()}
    if isinstance(sent, list):
        told_list, kept_list = _list(shown, len(sent)), _list(stored, len(sent))
        return [_restored(*each) for each in zip(sent, told_list, kept_list, strict=True)]
    if isinstance(sent, str) and MASK in sent:
        raise Misplaced
    return sent


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any, length: int) -> list[Any]:
    found = value if isinstance(value, list) else []
    return (found + [None] * length)[:length]
