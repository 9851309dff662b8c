"""When a scheduler's pattern is due next: the same for those who add and for those who run."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

from queues.errors import InvalidInput
from queues.protocol.crontab import parse


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
