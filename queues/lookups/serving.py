"""Who serves a queue, as far as it shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from queues.lookups.heard import Heard, heard
from queues.protocol.fleet import SILENT_AFTER_S, Beat, Share, shown_name


@dataclass(frozen=True, slots=True)
class Serving:
    """Of one queue. `running`: the parts of processes that take jobs; `resting`: how many are quiet or stop;
    `silent_s`: how long ago the last of those was heard that are not heard any more; `others`: workers that are not
    Toril's, None where Redis forbids to look.
    """

    running: tuple[Share, ...] = ()
    resting: int = 0
    silent_s: float | None = None
    others: int | None = 0

    @property
    def slots(self) -> int:
        return sum(share.slots for share in self.running)

    @property
    def used(self) -> int:
        return sum(share.used for share in self.running)

    @property
    def are_all_busy(self) -> bool:
        """Whether no slot is free; of workers that are not Toril's nobody knows."""
        return self.others == 0 and 0 < self.slots <= self.used

    def lacks(self, job_name: str | None) -> bool:
        """Whether every worker is known, and none has a processor for jobs of this name."""
        if job_name is None or self.others != 0 or not self.running:
            return False
        return all(share.names and job_name not in share.names for share in self.running)


async def serving(connection: str, queue: str) -> Serving:
    """As it was a few seconds ago at most. Raises RedisUnavailable."""
    seen = await heard(connection)
    parts = [(beat, share) for beat in seen.beats for share in beat.queues if share.queue == queue]
    ages_s = [seen.age_ms(beat) / 1000 for beat, _ in parts]
    fresh = [part for part, age_s in zip(parts, ages_s, strict=True) if age_s <= SILENT_AFTER_S]
    return Serving(
        running=tuple(share for beat, share in fresh if beat.state == "running"),
        resting=sum(beat.state != "running" for beat, _ in fresh),
        silent_s=min((age_s for age_s in ages_s if age_s > SILENT_AFTER_S), default=None),
        others=_others(seen, queue, (beat for beat, _ in parts)),
    )


def _others(seen: Heard, queue: str, own: Iterable[Beat]) -> int | None:
    if seen.listeners is None:
        return None
    names = {shown_name(beat.name) for beat in own}
    return sum(one.queue == queue and one.name not in names for one in seen.listeners)
