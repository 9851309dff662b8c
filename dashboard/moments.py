"""Times and figures as people read them. Whatever number a job holds, nothing here raises."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.translation import gettext, gettext_noop

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
_UNITS = (
    (DAY, gettext_noop("d")),
    (HOUR, gettext_noop("h")),
    (MINUTE, gettext_noop("min")),
    (SECOND, gettext_noop("s")),
)


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000)


def as_ms(value: object) -> int | None:
    """Milliseconds since the epoch from what a template has: a number of them, or a datetime."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1_000)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(max(min(value, 1e18), -1e18))


def span(ms: int) -> str:
    """A length of time: `81 ms`, `3.8 s`, `41 min`, `5 h 10 min`, `12 d`."""
    ms = max(ms, 0)
    if ms < SECOND:
        return f"{ms} {gettext('ms')}"
    if ms < MINUTE:
        # Cut, not rounded: 59.96 s must not read “60.0 s”.
        return f"{ms // 100 / 10:.1f} {gettext('s')}"
    if ms < 10 * MINUTE:
        return _two(ms, MINUTE, "min", SECOND, "s")
    if ms < HOUR:
        return f"{ms // MINUTE} {gettext('min')}"
    return _two(ms, HOUR, "h", MINUTE, "min") if ms < DAY else _two(ms, DAY, "d", HOUR, "h")


def _two(ms: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = ms % large // small
    days = f"{ms // large:,} {gettext(large_unit)}"
    return f"{days} {rest} {gettext(small_unit)}" if rest and ms < 100 * large else days


def rough(ms: int) -> str:
    """A length of time in its largest unit alone: `3 min`; below a second `0 s`."""
    for size, unit in _UNITS:
        if ms >= size:
            return f"{ms // size:,} {gettext(unit)}"
    return f"0 {gettext('s')}"


def relative(ms: int, now: int) -> str:
    """A moment seen from now: `3 min ago`, `in 2 h`, `just now`."""
    if abs(now - ms) < SECOND:
        return gettext("just now")
    if ms < now:
        return gettext("%(time)s ago") % {"time": rough(now - ms)}
    return gettext("in %(time)s") % {"time": rough(ms - now)}
