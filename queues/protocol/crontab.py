"""Cron patterns in the dialect of Node's BullMQ (cron-parser): what a pattern means, and when it is due.

Workers of both kinds make each other's next iterations, so both must mean the same; and croniter is an hour off, or due
twice, on the days around a change of the clock.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

PREDEFINED = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
    "@minutely": "0 * * * * *",
    "@secondly": "* * * * * *",
    "@weekdays": "0 0 0 * * 1-5",
    "@weekends": "0 0 0 * * 0,6",
}
_DEFAULTS = ["0", "*", "*", "*", "*", "*"]
_MONTHS = dict(zip("jan feb mar apr may jun jul aug sep oct nov dec".split(), range(1, 13), strict=True))
_DAYS = dict(zip("sun mon tue wed thu fri sat".split(), range(7), strict=True))
_PLAIN = re.compile(r"[?,*\dH/\-()]+")
_WITH_LAST = re.compile(r"[?,*\dLH/\-()]+")
_HASHED = re.compile(r"H(?:\((\d+)-(\d+)\))?(?:/(\d+))?")
MAX_LENGTH = 1024
MAX_VALUES = 256
#: A 29th of February is eight years away at most.
YEARS_AHEAD = 9
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Crontab:
    """Which moments a pattern means. Days of the week count from 0, Sunday; `last_weekdays` are its last in a month."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_last_day: bool
    last_weekdays: frozenset[int]
    nth: int
    has_any_day: bool
    has_any_weekday: bool

    def after(self, moment_ms: int, zone: tzinfo) -> int | None:
        """The first moment (ms) later than that; None where there is none for years."""
        earliest = datetime.fromtimestamp(moment_ms // 1000, UTC) + SECOND
        for day in self._dates(earliest.astimezone(zone).date()):
            if (due := self._in_day(day, earliest, zone)) is not None:
                return round(due.timestamp()) * 1000
        return None

    def _dates(self, day: date) -> Iterator[date]:
        last_year = day.year + YEARS_AHEAD
        while day.year < last_year:
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._fits(day):
                yield day
            day += timedelta(days=1)

    def _fits(self, day: date) -> bool:
        rest = _days_in_month(day) - day.day
        weekday = day.isoweekday() % 7
        by_date = day.day in self.days or (self.is_last_day and rest == 0)
        by_weekday = (weekday in self.weekdays and (not self.nth or (day.day + 6) // 7 == self.nth)) or (
            weekday in self.last_weekdays and rest < 7
        )
        if self.has_any_weekday:
            return by_date
        return by_weekday if self.has_any_day else by_date or by_weekday

    def _in_day(self, day: date, earliest: datetime, zone: tzinfo) -> datetime | None:
        found = (self._in_hour(day, hour, fold, earliest, zone) for hour in self.hours for fold in self._folds)
        return min((due for due in found if due is not None), default=None)

    @property
    def _folds(self) -> tuple[int, ...]:
        # When the clock is put back, only what is due in every hour is due in the repeated one, too.
        return (0, 1) if len(self.hours) == 24 else (0,)

    def _in_hour(self, day: date, hour: int, fold: int, earliest: datetime, zone: tzinfo) -> datetime | None:
        if _instant(day, hour, 59, 59, fold, zone) < earliest:
            return None
        for minute in self.minutes:
            if _instant(day, hour, minute, 59, fold, zone) < earliest:
                continue
            for second in self.seconds:
                if (due := _instant(day, hour, minute, second, fold, zone)) >= earliest:
                    return due
        return None


def _instant(day: date, hour: int, minute: int, second: int, fold: int, zone: tzinfo) -> datetime:
    """A time that the clock leaves out when it is put forward comes as much later as it is put forward."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone, fold=fold).astimezone(UTC)


def _days_in_month(day: date) -> int:
    return ((day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)).day


def parse(pattern: str) -> Crontab:
    """Raises ValueError with a sentence. An `H` is drawn anew each time, as in Node."""
    return _parse(pattern) if "H" in pattern else _cached(pattern)


def _parse(pattern: str) -> Crontab:
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    atoms = (PREDEFINED.get(pattern) or pattern or "0 * * * * *").split()
    if len(atoms) > 6:
        raise ValueError("it has more than six fields")
    second, minute, hour, day, month, weekday = _DEFAULTS[: 6 - len(atoms)] + atoms
    weekday_field, nth = _nth(weekday)
    days, weekdays = _field(day, 1, 31, has_last=True), _field(weekday_field, 0, 7, _DAYS, has_last=True)
    if "L" in weekdays:
        raise ValueError("an L among the days of the week needs its day, as in 5L")
    lasts = [int(value[0]) % 7 for value in map(str, weekdays)] if any("L" in str(value) for value in weekdays) else []
    return Crontab(
        seconds=tuple(sorted(_numbers(_field(second, 0, 59)))),
        minutes=tuple(sorted(_numbers(_field(minute, 0, 59)))),
        hours=tuple(sorted(_numbers(_field(hour, 0, 23)))),
        days=frozenset(_numbers(days)),
        months=frozenset(_numbers(_field(month, 1, 12, _MONTHS))),
        weekdays=frozenset(_numbers(weekdays)),
        is_last_day=any("L" in str(value) for value in days),
        last_weekdays=frozenset(lasts),
        nth=nth,
        has_any_day=day in ("*", "?"),
        has_any_weekday=weekday in ("*", "?"),
    )


_cached = lru_cache(maxsize=256)(_parse)
Value = int | str


def _numbers(values: list[Value]) -> list[int]:
    return [value for value in values if isinstance(value, int)]


def _nth(weekday: str) -> tuple[str, int]:
    """`5#2` is the second Friday of a month."""
    day, sign, nth = weekday.partition("#")
    if not sign:
        return day, 0
    if re.search(r"[,\-/]", weekday) or nth not in "12345" or not nth:
        raise ValueError(f"{weekday!r} is not a weekday, # and a number from 1 to 5")
    return day, int(nth)


def _field(
    text: str, least: int, most: int, names: dict[str, int] | None = None, *, has_last: bool = False
) -> list[Value]:
    if names is not None:
        text = re.sub(r"[a-zA-Z]{3}", lambda found: _named(found[0].lower(), names), text)
    if not (_WITH_LAST if has_last else _PLAIN).fullmatch(text):
        raise ValueError(f"{text!r} has characters that mean nothing there")
    text = re.sub(r"[*?]", f"{least}-{most}", text)
    chance = random.random()  # noqa: S311  # spreads load, guards nothing
    text = _HASHED.sub(_drawer(chance, least, most), text)
    values: list[Value] = []
    for atom in text.split(","):
        values += _values(atom, least, most, is_weekday=most == 7)
        if len(values) > MAX_VALUES:
            raise ValueError("a field has too many values")
    if len(set(values)) < len(values):
        raise ValueError(f"{text!r} says the same twice")
    return values


def _named(word: str, names: dict[str, int]) -> str:
    if word not in _MONTHS | _DAYS:
        raise ValueError(f"{word!r} is neither a month nor a day")
    return str(names.get(word, (_MONTHS | _DAYS)[word]))


def _drawer(chance: float, least: int, most: int) -> Callable[[re.Match[str]], str]:
    def draw(found: re.Match[str]) -> str:
        first = max(least, int(found[1])) if found[1] else least
        last = min(most, int(found[2])) if found[2] else most
        if first > last:
            raise ValueError(f"{found[0]!r} leaves nothing to choose from")
        one = int(chance * (last - first + 1)) + first
        if not found[3]:
            return str(one)
        if (step := int(found[3])) < 1:
            raise ValueError(f"{found[0]!r} has no step")
        begin = first // step * step + int(chance * step)
        return ",".join(str(value) for value in range(begin, last + 1, step) if value >= first) or str(one)

    return draw


def _values(atom: str, least: int, most: int, *, is_weekday: bool) -> list[Value]:
    span, slash, step_text = atom.partition("/")
    if slash and "-" not in span:
        span = f"{span}-{most}"
    if "-" not in span:
        if re.fullmatch(r"\d{0,2}L", span):
            return [span]
        value = _whole(span, atom)
        if not least <= value <= most:
            raise ValueError(f"{atom!r} is not from {least} to {most}")
        return [value % 7 if is_weekday else value]
    first, last, *_ = (_whole(end, atom) for end in span.split("-"))
    step = _whole(step_text, atom) if slash else 1
    if not least <= first <= last <= most or step < 1:
        raise ValueError(f"{atom!r} is not a range from {least} to {most}")
    values: list[Value] = list(range(first, last + 1, step))
    # Seven is Sunday, too.
    return [*dict.fromkeys(value % 7 if is_weekday and isinstance(value, int) else value for value in values)]


def _whole(text: str, atom: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{atom!r} is not a number or a range")
    return int(text)
