"""How a search that is being typed may go on: its fields, and the names, workers and paths that were seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from django.db.models import QuerySet

from queues.lookups.search.keys import DATA, KEYS
from queues.lookups.search.seen import Seen, Suggestion
from queues.models import Queue, SearchWord
from queues.options import get_options
from queues.states import LISTED

MOST = 12
#: Rows that are read for it; a word stands in as many as there are queues that have it.
MOST_READ = 600
_VALUES = {
    "attempts": (">=1", ">=2", ">=3", "0"),
    "is": ("live", "removed", "child"),
    "since": ("15m", "1h", "24h", "7d"),
    "before": ("1h", "24h", "7d"),
    "state": tuple(state.value for state in LISTED),
}
_WORDS = {"name": "name", "worker": "worker"}


async def suggest(text: str, seen: Seen) -> list[Suggestion]:
    """For its last part, what fits best first; at most `MOST`. Never a queue, name or path that is not seen."""
    before, last = _last(text)
    sign = "-" if last.startswith("-") else ""
    key, colon, typed = last.removeprefix("-").partition(":")
    if not colon:
        return (await _fields(f"{before}{sign}", key, seen))[:MOST]
    done, _comma, typing = typed.rpartition(",")
    start = f"{before}{sign}{key}:{done}{',' if done else ''}"
    found = await _values(key.casefold(), typing.strip('"'), seen)
    return [Suggestion(f"{start}{quoted(value)} ", value, key.casefold()) for value in found]


def _last(text: str) -> tuple[str, str]:
    """What is finished, and the part that is being typed: a space in quotes ends none."""
    is_quoted, at = False, 0
    for place, char in enumerate(text):
        if char == '"':
            is_quoted = not is_quoted
        elif char.isspace() and not is_quoted:
            at = place + 1
    return text[:at], text[at:]


async def _fields(before: str, typed: str, seen: Seen) -> list[Suggestion]:
    """Fields; paths once `data` is typed; and names and queues that begin so."""
    folded = typed.casefold()
    found = [Suggestion(f"{before}{name}:", f"{name}:", "field") for name in KEYS if name.startswith(folded)]
    if "data.".startswith(folded):
        found.append(Suggestion(f"{before}{DATA}", f"{DATA}…:", "field"))
    if folded.startswith(DATA):
        paths = await _words("path", typed[len(DATA) :], seen)
        return [Suggestion(f"{before}{DATA}{path}:", f"{DATA}{path}:", "path") for path in paths]
    if len(folded) >= 2:
        for key in ("queue", "name"):
            values = await _values(key, typed, seen)
            found += [Suggestion(f"{before}{key}:{quoted(value)} ", value, key) for value in values[:4]]
    return found


async def _values(key: str, typed: str, seen: Seen) -> list[str]:
    if key in _VALUES:
        return _begun(_VALUES[key], typed)
    if key == "connection":
        return _begun(sorted(get_options().connections), typed)
    if key == "queue":
        return _begun([name async for name in _queues(seen)], typed)
    return await _words(_WORDS[key], typed, seen) if key in _WORDS else []


async def _queues(seen: Seen) -> AsyncIterator[str]:
    async for connection, name in Queue.objects.order_by("name").values_list("connection", "name"):
        if seen.sees(connection, name):
            yield name


async def _words(kind: str, typed: str, seen: Seen) -> list[str]:
    """Names and workers of queues that are seen; paths of those whose payloads are."""
    may = seen.reads if kind == "path" else seen.sees
    rows = _rows(kind, typed, seen).order_by("text").values_list("connection", "queue", "text")
    return _begun([text async for connection, queue, text in rows[:MOST_READ] if may(connection, queue)], typed)


def _rows(kind: str, typed: str, seen: Seen) -> QuerySet[SearchWord]:
    rows = SearchWord.objects.filter(kind=kind)
    if seen.queues is not None:
        rows = rows.filter(queue__in=sorted({queue for _, queue in seen.queues})[:500])
    # Not text: a beginning with a space or a case of its own is found too.
    return rows.filter(text__icontains=typed) if typed else rows


def _begun(found: Iterable[str], typed: str) -> list[str]:
    """Each once; those that begin so before those that hold it."""
    folded = typed.casefold()
    fit = [value for value in dict.fromkeys(found) if folded in value.casefold()]
    return sorted(fit, key=lambda value: not value.casefold().startswith(folded))[:MOST]


def quoted(value: str) -> str:
    """As it must be typed."""
    if value and not any(c.isspace() or c in '",*' for c in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
