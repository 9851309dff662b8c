"""How often a caller may ask: counted in this process, told with every answer.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10 and -11: `RateLimit-Policy` is the rule, `RateLimit`
what is left of it.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from queues.options.credentials import Rate

#: More callers than these are hardly counted at once; who has asked least lately is forgotten first.
MOST_CALLERS = 20_000
NAME = "caller"


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What is left to a caller, this request counted."""

    rate: Rate
    left: int
    wait_s: int
    is_over: bool

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"{NAME}";q={self.rate.most};w={self.rate.window_s}',
            "RateLimit": f'"{NAME}";r={self.left};t={self.wait_s}',
        }


class Rates:
    """A window begins with a caller's first request, and the next with the first after its end."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def count(self, caller: str, rate: Rate) -> Told:
        now = time.monotonic()
        window = self._windows.get(caller)
        if window is None or now >= window.ends_at:
            window = self._windows[caller] = _Window(now + rate.window_s)
        self._windows.move_to_end(caller)
        while len(self._windows) > MOST_CALLERS:
            self._windows.popitem(last=False)
        window.used += 1
        wait_s = max(1, math.ceil(window.ends_at - now))
        return Told(rate, max(0, rate.most - window.used), wait_s, window.used > rate.most)

    def clear(self) -> None:
        self._windows.clear()


rates = Rates()
