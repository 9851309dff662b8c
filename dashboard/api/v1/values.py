"""What jobs carry, as values of JSON: masked first, and of a shape even where what is stored has none."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

from queues.masking import mask_json, mask_text

#: So many characters are masked in a thread: others are served meanwhile.
IN_THREAD = 16 * 1024


async def masked_value(stored: str) -> Any:
    """The value that is stored, its secrets masked; what is no JSON that every program reads comes as text."""
    if len(stored) < IN_THREAD:
        return value_of(mask_json(stored))
    return await asyncio.to_thread(lambda: value_of(mask_json(stored)))


async def masked_texts(texts: list[str]) -> list[str]:
    if sum(map(len, texts)) < IN_THREAD:
        return [plain(mask_text(each)) for each in texts]
    return await asyncio.to_thread(lambda: [plain(mask_text(each)) for each in texts])


def value_of(stored: str) -> Any:
    """Null for nothing; the text itself where it is no JSON, or none that can be told (NaN, endless numbers)."""
    if not stored:
        return None
    try:
        found = json.loads(stored, parse_constant=_none, parse_float=_finite)
        # Half a character is no UTF-8, and depth that was read need not be one that can be written.
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return plain(stored)
    return found


def plain(text: str) -> str:
    """Without halves of characters, which no UTF-8 holds."""
    return text.encode("utf-8", "replace").decode()


def _none(word: str) -> None:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number
