"""How a search that is being typed may go on."""

from __future__ import annotations

from queues.lookups.search.keys import KEYS
from queues.lookups.search.seen import Seen, Suggestion
from queues.models import Queue
from queues.states import LISTED

MOST = 12


async def suggest(text: str, seen: Seen) -> list[Suggestion]:
    """For its last part, what fits best first; at most `MOST`. Never a queue, name or path that is not seen."""
    before, _space, last = text.rpartition(" ")
    before = f"{before} " if before else ""
    key, colon, typed = last.lstrip("-").partition(":")
    sign = "-" if last.startswith("-") else ""
    if not colon:
        names = [name for name in KEYS if name.startswith(key.casefold())]
        return [Suggestion(f"{before}{sign}{name}:", f"{name}:", "field") for name in names]
    found: list[str] = []
    if key == "state":
        found = [state.value for state in LISTED]
    elif key == "queue":
        rows = Queue.objects.order_by("name").values_list("connection", "name")
        found = [name async for connection, name in rows if seen.sees(connection, name)]
    fit = dict.fromkeys(value for value in found if value.casefold().startswith(typed.casefold()))
    return [Suggestion(f"{before}{sign}{key}:{quoted(value)} ", value, key) for value in list(fit)[:MOST]]


def quoted(value: str) -> str:
    """As it must be typed."""
    if value and not any(c.isspace() or c in '",*' for c in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
