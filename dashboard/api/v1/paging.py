"""Lists by cursor: a page, and an opaque word that leads to what follows it, whatever came or went meanwhile."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from django.utils.translation import gettext as _
from ninja import Query
from pydantic import BaseModel, Field

from queues.errors import InvalidInput

T = TypeVar("T")
S = TypeVar("S")
MOST, USUAL = 200, 50
LONGEST_CURSOR = 4_000

#: The two parameters of every list: `cursor: Cursor = None, limit: Limit = USUAL`.
Cursor = Annotated[
    str | None, Query(max_length=LONGEST_CURSOR, description="`next` of the page before; nothing for the first page.")
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many items.")]


class Page(BaseModel, Generic[T]):
    """Some of a list. `next` goes into `cursor` for what follows; null at the end."""

    items: list[T]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


def sealed(of: str, *place: str | int | float | None) -> str:
    """A cursor: the list it belongs to (with whatever narrows it), and a place in it."""
    told = json.dumps([of, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def opened(cursor: str | None, of: str) -> list[Any] | None:
    """The place that `sealed` was given; None for the first page. Raises InvalidInput for any other list's, or none."""
    if not cursor:
        return None
    try:
        told = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        told = None
    if not (isinstance(told, list) and told and told[0] == of and all(_is_plain(part) for part in told)):
        raise strange()
    return told[1:]


def strange() -> InvalidInput:
    return InvalidInput(_("The cursor is not one that this list gave out; begin again without it."))


def _is_plain(part: Any) -> bool:
    return part is None or isinstance(part, str | int | float)


def part_of(
    items: Sequence[S], key: Callable[[S], str], of: str, cursor: str | None, limit: int
) -> tuple[list[S], str | None]:
    """Of a list that is whole in memory and sorted by `key`: the page behind the cursor, and the next cursor."""
    place = opened(cursor, of)
    start = 0
    if place is not None:
        if not (place and isinstance(place[0], str)):
            raise strange()
        start = bisect_right([key(item) for item in items], place[0])
    found = list(items[start : start + limit])
    return found, sealed(of, key(found[-1])) if found and start + limit < len(items) else None


def place_key(*parts: str) -> str:
    """Sorts as these do, as far as their beginnings tell, and is short and its own, however long they are."""
    whole = "\0".join(parts)
    told = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return "\0".join((*(part[:40] for part in parts[:4]), told))
