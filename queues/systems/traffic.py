"""Adds made-up jobs to the systems' queues at a chosen rate, and never more than the queues can digest."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from random import Random

from queues import queue
from queues.errors import RedisRefused, RedisUnavailable
from queues.protocol import reads
from queues.systems.happenings import OFTEN, PILE_UPS, Offer
from queues.systems.settings import QUEUES

#: A queue rests while this many of its jobs wait, or this many finished ones are kept.
MOST_WAITING = 200
MOST_KEPT = 20_000
#: Of all happenings, this share is followed by a pile-up.
PILE_UPS_SHARE = 0.006
#: How often jobs are added, how many at most at a time, and how old the queues' counts may be.
TICK_S = 0.1
MOST_AT_ONCE = 500
COUNTS_S = 1.0
#: Pauses while Redis is away.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0


def silent(sentence: str) -> None:
    pass


async def _add(offer: Offer) -> None:
    to = queue(offer.queue)
    if offer.children:
        children = [{"queue": one.queue, "name": one.name, "data": one.data, **one.options} for one in offer.children]
        await to.add_flow(offer.name, offer.data, children=children, **offer.options)  # type: ignore[arg-type]
    else:
        await to.add(offer.name, offer.data, **offer.options)


class Traffic:
    """Made-up jobs, `rate` per second and now and then a pile-up; the same `seed` makes up the same ones.

    Its duties: 1. keep the queues' counts fresh, so that a full queue rests; 2. add what is due;
    3. wait in growing pauses while Redis is away; 4. end when asked to. `say` is told what an operator should know.
    """

    def __init__(self, rate: float, seed: int | None = None, say: Callable[[str], None] = silent) -> None:
        self.rate, self.say = rate, say
        self.random = Random(seed)  # noqa: S311 - made-up data, no secrets
        self.added = 0
        self._due = 0.0
        self._waiting: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._counted_at = float("-inf")

    async def run(self, stop: asyncio.Event, burst: int = 0) -> None:
        """Add `burst` jobs at once, then `rate` per second until `stop` is set."""
        self._due, pause_s = float(burst), TICK_S
        while not stop.is_set():
            try:
                await self._tick()
            except (RedisUnavailable, RedisRefused) as error:
                pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
                self.say(f"{error} Trying again in {pause_s:.3g} s.")
            else:
                if pause_s > TICK_S:
                    self.say("Redis takes jobs again.")
                pause_s = TICK_S
                self._due += self.random.expovariate(1) * self.rate * TICK_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)

    async def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._counted_at >= COUNTS_S:
            await self._count()
            self._counted_at = now
        offers = self._take()
        outcomes = await asyncio.gather(*[_add(offer) for offer in offers], return_exceptions=True)
        self.added += sum(
            1 + len(offer.children)
            for offer, outcome in zip(offers, outcomes, strict=True)
            if not isinstance(outcome, BaseException)
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _count(self) -> None:
        for facts in await reads.queue_facts("default", list(QUEUES)):
            counts = facts.counts
            self._waiting[facts.name] = sum(
                counts.get(state, 0) for state in ("waiting", "prioritized", "delayed", "waiting-children")
            )
            self._kept[facts.name] = sum(counts.get(state, 0) for state in ("completed", "failed"))

    def _take(self) -> list[Offer]:
        """What is due now. A happening whose queues are full still counts, so full queues lower the rate."""
        taken: list[Offer] = []
        while self._due >= 1 and len(taken) < MOST_AT_ONCE:
            happening = self.random.choices(list(OFTEN), list(OFTEN.values()))[0]
            offers = [offer for offer in happening(self.random) if self._claim(offer)]
            self._due -= max(1, len(offers))
            taken += offers
            if self.random.random() < PILE_UPS_SHARE:
                taken += self._pile_up()
        return taken

    def _pile_up(self) -> list[Offer]:
        happening, (least, most) = self.random.choice(list(PILE_UPS.items()))
        offers = [offer for _ in range(self.random.randint(least, most)) for offer in happening(self.random)]
        return [offer for offer in offers if self._claim(offer)]

    def _claim(self, offer: Offer) -> bool:
        """Whether the queues of the offer and its children have room; if so, it is taken."""
        wanted = Counter(one.queue for one in (offer, *offer.children))
        if any(self._waiting[name] >= MOST_WAITING or self._kept[name] >= MOST_KEPT for name in wanted):
            return False
        self._waiting.update(wanted)
        return True
