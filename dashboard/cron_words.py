"""A scheduler's rule in words. Where the words could be wrong there are none: the pattern itself is shown then.

The words are cron-descriptor's, which knows another dialect than BullMQ's: a pattern is put first as both read it.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cron_descriptor  # type: ignore[import-untyped]
from cron_descriptor import ExpressionDescriptor, Options
from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import get_language, ngettext, to_locale

from queues.protocol import crontab

_FIELDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_ENGLISH = (*calendar.day_name, *calendar.month_name[1:])
_NAMES = re.compile("|".join(rf"\b{name}\b" for name in _ENGLISH))
#: More single values are no sentence any more.
MOST_VALUES = 12
LONGEST = 200
_UNITS: tuple[tuple[int, Callable[[int], str]], ...] = (
    (86_400_000, lambda n: ngettext("every day", "every %(n)d days", n)),
    (3_600_000, lambda n: ngettext("every hour", "every %(n)d hours", n)),
    (60_000, lambda n: ngettext("every minute", "every %(n)d minutes", n)),
    (1_000, lambda n: ngettext("every second", "every %(n)d seconds", n)),
    (1, lambda n: ngettext("every millisecond", "every %(n)d milliseconds", n)),
)


def every_words(every_ms: int) -> str:
    """`every 5 minutes`, in the largest unit that says it whole."""
    size, words = next((size, words) for size, words in _UNITS if every_ms % size == 0)
    return words(every_ms // size) % {"n": every_ms // size}


def cron_words(pattern: str) -> str:
    """`At 09:00, Monday through Friday`; empty where it cannot be said for certain."""
    return _words(pattern, _locale(get_language() or "en"))


@lru_cache(maxsize=1024)
def _words(pattern: str, locale: str) -> str:
    try:
        crontab.parse(pattern)
        plain = _plain(pattern)
        if plain is None:
            return ""
        options = Options()
        options.use_24hour_time_format, options.locale_code = True, locale
        said = str(ExpressionDescriptor(plain, options).get_description())
    except Exception:
        # Others wrote the pattern, and the library raises what it likes: no words then.
        return ""
    return _named(said) if len(said) <= LONGEST else ""


def _named(said: str) -> str:
    """The library takes days and months from the process's locale, which is nobody's: here they are the site's."""
    names = dict(zip(_ENGLISH, (*WEEKDAYS.values(), *MONTHS.values()), strict=True))
    return _NAMES.sub(lambda found: str(names[found[0]]), said)


def _plain(pattern: str) -> str | None:
    """The pattern as both dialects read it; None where there is no such."""
    if "H" in re.sub("(?i)thu|mar", "", pattern):
        # Drawn anew for each run.
        return None
    atoms = (crontab.PREDEFINED.get(pattern) or pattern or "0 * * * * *").upper().replace("?", "*").split()
    atoms = ["0", "*", "*", "*", "*", "*"][: 6 - len(atoms)] + atoms
    fields = [_field(atom, *bounds) for atom, bounds in zip(atoms, _FIELDS, strict=True)]
    return None if None in fields else " ".join(str(field) for field in fields)


def _field(text: str, least: int, most: int) -> str | None:
    """Steps that do not fill their round are said value by value: `*/7` is not “every 7 minutes” at the full hour."""
    if "/" not in text:
        return text
    if "," in text:
        return None
    span, _slash, step_text = text.partition("/")
    if not step_text.isdecimal() or not re.fullmatch(r"\*|\d+(-\d+)?", span):
        return None
    step, last = int(step_text), 6 if most == 7 else most
    first, _dash, end = ("", "", "") if span == "*" else span.partition("-")
    begin, stop = int(first or least), int(end or last)
    values = list(range(begin, stop + 1, step))
    if step == 1 and span == "*":
        return "*"
    is_round = (last - least + 1) % step == 0 and not end and begin - least < step and last - least > 6 and most != 31
    if is_round:
        return f"*/{step}" if begin == least else f"{begin}/{step}"
    return ",".join(str(value) for value in values) if 0 < len(values) <= MOST_VALUES else None


@lru_cache(maxsize=64)
def _locale(language: str) -> str:
    """The library's name of the language; English where it does not speak it."""
    known = sorted(path.stem for path in (Path(cron_descriptor.__file__).parent / "locale").glob("*.mo"))
    wanted = to_locale(language)
    short = wanted.partition("_")[0]
    return next((name for name in known if name == wanted or name.partition("_")[0] == short), "en_US")
