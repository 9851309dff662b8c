"""How much of a large value a page shows."""

from __future__ import annotations

from queues.protocol.codec import parse_json, text, to_json

#: Bytes of one payload field on a job's own page.
SHOWN = 64 * 1024
#: Characters of one log line, and of one attempt's stack where all together are too long.
LINE_SHOWN = STACK_SHOWN = 8 * 1024


def excerpt(value: str, length: int) -> str:
    return value if len(value) <= length else f"{value[:length]}…"


def shortened_stacks(stored: bytes) -> str:
    """The stored list of stacks, each shortened and the newest kept, as JSON; its beginning where it is no list."""
    stacks = parse_json(text(stored))
    if not isinstance(stacks, list):
        return excerpt(text(stored), SHOWN)
    newest = [excerpt(str(stack), STACK_SHOWN) for stack in stacks[-(SHOWN // STACK_SHOWN) :]]
    return to_json(newest)
