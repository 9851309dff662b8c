"""How many searches run at once in this process: few of one person, not many of all. Others wait, then are told.

Belongs to one event loop, as the wire does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from django.utils.translation import gettext as _

from queues.errors import TorilError

#: Under way or waiting, of one person; under way, of all; and so long one waits.
MOST_OF_ONE, MOST_OF_ALL, PATIENCE_S = 3, 4, 10.0
#: Under way at once, of one person and one kind of work.
MOST_OF_A_KIND = 2


class Busy(TorilError):
    """Too many searches are under way; later it works."""

    code = "busy"
    status = 503


@dataclass(slots=True)
class _Crowd:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_OF_ALL))
    asking: Counter[int] = field(default_factory=Counter)
    #: (who, kind) → their places, as long as somebody has or awaits one; and how many do.
    kinds: dict[tuple[int, str], asyncio.Semaphore] = field(default_factory=dict)
    coming: Counter[tuple[int, str]] = field(default_factory=Counter)


_crowds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Crowd] = WeakKeyDictionary()


@asynccontextmanager
async def turn(who: int | None) -> AsyncIterator[None]:
    """Hold a place meanwhile. Raises Busy."""
    crowd = _crowds.setdefault(asyncio.get_running_loop(), _Crowd())
    if who is not None and crowd.asking[who] >= MOST_OF_ONE:
        raise Busy(_("Your account has %(count)s searches under way; wait for one of them.") % {"count": MOST_OF_ONE})
    if who is not None:
        crowd.asking[who] += 1
    try:
        await _place(crowd)
        try:
            yield
        finally:
            crowd.places.release()
    finally:
        if who is not None:
            crowd.asking[who] -= 1
            crowd.asking += Counter()


@asynccontextmanager
async def few(who: int | None, kind: str, patience_s: float | None = PATIENCE_S) -> AsyncIterator[None]:
    """Let one person do little of a kind at once; what is more waits, without end where `patience_s` is None, and keeps
    nobody else waiting. Raises Busy.
    """
    if who is None:
        yield
        return
    crowd, key = _crowds.setdefault(asyncio.get_running_loop(), _Crowd()), (who, kind)
    places = crowd.kinds.setdefault(key, asyncio.Semaphore(MOST_OF_A_KIND))
    crowd.coming[key] += 1
    try:
        try:
            async with asyncio.timeout(patience_s):
                await places.acquire()
        except TimeoutError:
            told = _("Your account does this %(count)s times at once already; wait for one of them.")
            raise Busy(told % {"count": MOST_OF_A_KIND}) from None
        try:
            yield
        finally:
            places.release()
    finally:
        crowd.coming[key] -= 1
        if not crowd.coming[key]:
            del crowd.coming[key], crowd.kinds[key]


async def _place(crowd: _Crowd) -> None:
    try:
        await asyncio.wait_for(crowd.places.acquire(), PATIENCE_S)
    except TimeoutError:
        raise Busy(_("Others search just now. Try again in a moment.")) from None
