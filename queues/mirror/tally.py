"""What the event streams tell of jobs that ended, by the minute: for queues that none of our workers records.

Kept in memory, and good for minutes only that were followed from their beginning to their end. A queue of which events
were missed begins anew with the next minute: what was seen of the others is a gap rather than a wrong number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from queues.histogram import bucket
from queues.mirror.fold import moment_ms
from queues.mirror.followed import Followed
from queues.mirror.incarnations import Told
from queues.protocol import codec
from queues.protocol.attempts import CLOCKS_MS
from queues.protocol.codec import JobRecord
from queues.protocol.events import Event
from queues.protocol.samples import MOST_NAMES, REST, Ended, shown_name

ENDINGS = ("completed", "failed")
#: Minutes that are kept before the newest that was asked for: they are asked for again.
KEPT = 6

Names = dict[str, Ended]


class Tally:
    """Of one session. `skipped` are the queues that workers record: nothing is counted of those."""

    def __init__(self) -> None:
        self.skipped: frozenset[str] = frozenset()
        self._counted: dict[tuple[str, int], Names] = {}
        #: The first minute of which everything was seen, and how many losses there were by then.
        self._since: dict[str, tuple[int, int]] = {}

    def begin(self, followed: Mapping[str, Followed]) -> None:
        """Queues of which the tables know the place in the stream: from there on nothing was missed yet."""
        for name, queue in followed.items():
            if queue.is_settled:
                self._since[name] = (moment_ms(queue.cursor) // 60_000 + 1, queue.losses)

    def note(self, queue: str, events: Sequence[Event], told: Sequence[Told]) -> None:
        """Events of one queue, each once, and what is known of their jobs."""
        ended = [event for event in events if event.type in ENDINGS]
        if not ended or queue in self.skipped:
            return
        known = {one.job_id: one for one in told}
        delayed = {event.job_id for event in events if event.type == "delayed"}
        for event in ended:
            at_ms = moment_ms(event.id)
            names = self._counted.setdefault((queue, at_ms // 60_000), {})
            one = known.get(event.job_id)
            name, run_s, wait_s = _facts(one, at_ms, event.job_id in delayed) if one else ("", None, None)
            name = shown_name(name)
            cell = names.get(name) if name in names or len(names) < MOST_NAMES else names.setdefault(REST, Ended())
            _count(names.setdefault(name, Ended()) if cell is None else cell, event.type, run_s, wait_s)

    def minutes(
        self, followed: Mapping[str, Followed], minutes: Sequence[int], now: int, recorded: Collection[str]
    ) -> list[tuple[str, int, Names]]:
        """Of these (ascending) the minutes that were seen whole, of queues that nobody else recorded; `now` is the one
        under way.
        """
        found = []
        for name, queue in followed.items():
            since, losses = self._since.get(name, (now + 1, queue.losses))
            if losses != queue.losses or queue.is_broken or queue.is_gone or name in self.skipped:
                since = now + 1
            self._since[name] = (since, queue.losses)
            if name not in recorded:
                found += [(name, m, self._counted.get((name, m), {})) for m in minutes if m >= since]
        self.skipped = frozenset(recorded)
        self._counted = {place: names for place, names in self._counted.items() if place[1] > minutes[-1] - KEPT}
        return found


def _facts(told: Told, at_ms: int, was_delayed: bool) -> tuple[str, float | None, float | None]:
    """Name, run and wait in seconds of the life that ended then, as far as they are known."""
    record = told.sight.record if told.sight is not None else None
    if record is not None and abs((record.finished_on_ms or 0) - at_ms) <= CLOCKS_MS:
        return record.name, _span(record.processed_on_ms, record.finished_on_ms), _waited(record)
    for life in told.lives:
        if life.final_ms == at_ms:
            wait_s = None if was_delayed or life.is_retry else _span(life.added_ms, life.active_ms)
            return life.name, _span(life.active_ms, at_ms), wait_s
    return "", None, None


def _waited(record: JobRecord) -> float | None:
    if record.attempts_started > 1:
        return None
    delay = 0
    if '"delay"' in record.opts:
        options = codec.parse_json(record.opts)
        told = options.get("delay") if isinstance(options, dict) else 0
        delay = told if isinstance(told, int) else 0
    return _span(record.timestamp_ms + delay, record.processed_on_ms)


def _span(since_ms: int | None, until_ms: int | None) -> float | None:
    return None if since_ms is None or until_ms is None else (until_ms - since_ms) / 1000


def _count(ended: Ended, ending: str, run_s: float | None, wait_s: float | None) -> None:
    if ending == "completed":
        ended.completed += 1
    else:
        ended.failed += 1
    for times, seconds in ((ended.run, run_s), (ended.wait, wait_s)):
        if seconds is not None:
            at = bucket(seconds)
            times[at] = times.get(at, 0) + 1
