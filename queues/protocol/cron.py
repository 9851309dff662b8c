"""When a scheduler's pattern is due next: the same for those who add and for those who run."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from queues.errors import InvalidInput
from queues.protocol.crontab import parse

SECOND_MS, MINUTE_MS = 1_000, 60_000
YEAR_MS = 366 * 86_400_000
HOURS = 24


def next_ms(pattern: str, after_ms: int, *, start_ms: int | None = None, tz: str = "") -> int:
    """The first moment after `after_ms`, and after `start_ms`, that fits. Raises InvalidInput for what cannot be read.

    Five fields, or six with the seconds first. Without `tz` it is UTC's clock.
    """
    try:
        due = parse(pattern).after(max(after_ms, start_ms or 0), ZoneInfo(tz) if tz else UTC)
    except (ValueError, KeyError, TypeError, OSError, OverflowError) as error:
        raise InvalidInput(f"The pattern {pattern!r} in time zone {tz or 'UTC'!r} cannot be read: {error}.") from None
    if due is None:
        raise InvalidInput(f"The pattern {pattern!r} names no day that ever comes.")
    return due


class Change(StrEnum):
    """What a change of the clock does to a run."""

    #: The hour does not exist on that day: it runs as much later as the clock is put forward.
    LEFT_OUT = "left out"
    #: The hour comes twice, and it runs in the first one alone.
    FIRST = "first"
    #: The hour comes twice, and it runs in both.
    BOTH = "both"


class Moment(NamedTuple):
    at_ms: int
    change: Change | None = None


def upcoming(
    pattern: str, after_ms: int, count: int, *, start_ms: int | None = None, end_ms: int | None = None, tz: str = ""
) -> list[Moment]:
    """The next `count` moments, none after `end_ms`. Raises InvalidInput as `next_ms` does. No more than the first is
    known of an `H`, which is drawn anew each time.
    """
    moments: list[Moment] = []
    while len(moments) < (1 if "H" in pattern else count):
        after_ms = next_ms(pattern, after_ms, start_ms=start_ms, tz=tz)
        if end_ms is not None and after_ms > end_ms:
            break
        moments.append(Moment(after_ms, change(pattern, after_ms, tz)))
    return moments


def previous(pattern: str, before_ms: int, count: int, tz: str = "") -> list[int]:
    """The last moments before that one, newest first, as far as two years back; none of an `H`."""
    if "H" in pattern:
        return []
    span_ms = MINUTE_MS
    while span_ms < 2 * YEAR_MS and len(_within(pattern, before_ms - span_ms, before_ms, count, tz)) < count:
        span_ms = min(4 * span_ms, 2 * YEAR_MS)
    # A pattern may be dense and yet seldom: each second of one day a year. Its last moments are closed in upon.
    enough, too_few = before_ms - span_ms, before_ms
    while too_few - enough > SECOND_MS:
        middle = (enough + too_few) // 2
        if len(_within(pattern, middle, before_ms, count, tz)) < count:
            too_few = middle
        else:
            enough = middle
    return _within(pattern, enough, before_ms, count + 1, tz)[: -count - 1 : -1]


def _within(pattern: str, after_ms: int, before_ms: int, most: int, tz: str) -> list[int]:
    """The first moments of a span, `most` at most."""
    found: list[int] = []
    while len(found) < most and (after_ms := next_ms(pattern, after_ms, tz=tz)) < before_ms:
        found.append(after_ms)
    return found


def change(pattern: str, at_ms: int, tz: str) -> Change | None:
    """Whether that run falls where the clock of `tz` changes."""
    if not tz or "H" in pattern:
        return None
    rule, local = parse(pattern), datetime.fromtimestamp(at_ms / 1000, ZoneInfo(tz))
    if local.hour not in rule.hours or local.minute not in rule.minutes:
        return Change.LEFT_OUT
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return None
    return Change.BOTH if len(rule.hours) == HOURS else Change.FIRST
