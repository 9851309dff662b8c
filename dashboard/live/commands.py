"""What a program may say at its socket: `subscribe`, `unsubscribe`, `ping`. Whatever else it says is answered so."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from dashboard.live.codes import Close
from dashboard.live.follower import Follower
from dashboard.live.listener import Listener
from dashboard.live.notice import message, read_mark
from dashboard.live.subscription import Subscription, subscription
from queues.errors import Forbidden, InvalidInput, QueueNotFound, TorilError
from queues.protocol.together import Mark

MOST_CHARS = 16 * 1024
#: So many at once, and so many a second.
BURST, PER_S = 100.0, 20.0
MOST_SUBSCRIPTIONS = 100
#: So many look back at once: each is weighed for every event of the past.
MOST_LOOKS_BACK = MOST_SUBSCRIPTIONS


class Commands:
    """One socket's."""

    def __init__(self, listener: Listener, follower: Follower) -> None:
        self._listener, self._follower = listener, follower
        self._allowance, self._heard_at = BURST, time.monotonic()

    async def hear(self, said: str) -> None:
        """Answers by a message; whoever says too much is dropped."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._heard_at) * PER_S) - 1
        self._heard_at = now
        if self._allowance < 0 or len(said) > MOST_CHARS:
            self._listener.dismiss(Close.MISBEHAVED)
            return
        try:
            await self._obey(_read(said))
        except TorilError as error:
            self._listener.hear(message("error", code=error.code, message=str(error)))

    async def _obey(self, asked: dict[str, Any]) -> None:
        action = asked.pop("action", None)
        if action == "subscribe":
            await subscribe(self._listener, self._follower, asked)
        elif action == "unsubscribe":
            self._unsubscribe(asked)
        elif action == "ping":
            self._listener.hear(message("pong"))
        else:
            raise InvalidInput(_("“action” is one of: subscribe, unsubscribe, ping."))

    def _unsubscribe(self, asked: dict[str, Any]) -> None:
        is_all = asked.pop("all", False) is True and not asked
        ended = tuple(self._listener.subscriptions) if is_all else (subscription(asked),)
        for wanted in ended:
            self._follower.unsubscribe(self._listener, wanted)
        self._listener.hear(message("unsubscribed", **({"all": True} if is_all else ended[0].told)))


async def subscribe(listener: Listener, follower: Follower, asked: Mapping[str, Any]) -> None:
    """By these conditions, or `all`; with `since`, what happened after that place is told first. Raises InvalidInput,
    Forbidden, QueueNotFound.
    """
    conditions = dict(asked)
    is_all, since = conditions.pop("all", False) is True, _place(conditions.pop("since", None))
    wanted = subscription(conditions)
    if not is_all and wanted == Subscription(events=wanted.events):
        raise InvalidInput(_("Say of what to tell, or “all”."))
    _check(listener, wanted)
    if since is not None and listener.catching_up >= MOST_LOOKS_BACK:
        raise InvalidInput(_("It is told of the past by %(most)s subscriptions already.") % {"most": MOST_LOOKS_BACK})
    await follower.subscribe(listener, wanted)
    told = {**({"all": True} if is_all else {}), **wanted.told}
    # Nothing is awaited from here to the look back: what happens in between would be told twice, or not at all.
    # Who is cut off before all of it is told must come back with a place that lies before it.
    listener.put(message("subscribed", id=listener.place(follower.mark if since is None else since), **told))
    if since is not None:
        follower.catch_up(listener, wanted, since)


def _check(listener: Listener, wanted: Subscription) -> None:
    if wanted.queue and not listener.sees(wanted.queue):
        raise QueueNotFound(wanted.queue)
    if not listener.may_ask(wanted):
        raise Forbidden(_("To find jobs by what they carry takes the right to read it."))
    if wanted not in listener.subscriptions and len(listener.subscriptions) >= MOST_SUBSCRIPTIONS:
        raise InvalidInput(_("There are %(most)s subscriptions at most.") % {"most": MOST_SUBSCRIPTIONS})


def _place(since: Any) -> Mark | None:
    if since is None:
        return None
    found = read_mark(since) if isinstance(since, str) else None
    if found is None:
        raise InvalidInput(_("“since” is an id that came with a message, such as 1700000000000-0."))
    return found


def _read(said: str) -> dict[str, Any]:
    try:
        asked = json.loads(said)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise InvalidInput(_("A message is a JSON object, such as {“action”: “subscribe”, “queue”: “chat”}."))
    return asked
