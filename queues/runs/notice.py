"""What a job says of itself while it runs (`job.notify`): an event beside BullMQ's own, a name and a few small fields.

Whoever hears it fetches the rest: it carries ids, no payloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from queues.errors import InvalidInput
from queues.protocol import codec
from queues.protocol.events import BULLMQ, JSON_FIELDS

#: Of all fields and values together.
MOST_BYTES = 8 * 1024
_NAME = re.compile(r"[A-Za-z][\w:.-]{0,63}", re.ASCII)
_FIELD = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
#: Names of events that are told of every job, and of what is told about the telling.
TAKEN = frozenset({
    "job:queued", "job:started", "job:progress", "job:completed", "job:failed", "subscribed", "unsubscribed", "error",
    "gap", "heartbeat", "message", "open", "close", "pong", "stale", "current",
})  # fmt: skip
#: What a message says itself.
_OWN_FIELDS = frozenset({"event", "type", "id", "queue", "jobId", "jobName"})


def notice(name: str, fields: Mapping[str, Any]) -> list[str]:
    """The event's name, then its fields and values in turns. Texts go as they are, whatever else as JSON, which a field
    of its own says. Raises InvalidInput.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(f"An event's name is up to 64 letters, digits, “:”, “.”, “-” and “_”, not {name!r}.")
    if name in BULLMQ or name in TAKEN:
        raise InvalidInput(f"“{name}” is told of jobs by itself; name the event otherwise, such as “message:updated”.")
    if odd := [key for key in fields if not _FIELD.fullmatch(key) or key in _OWN_FIELDS]:
        raise InvalidInput(f"An event cannot have a field “{odd[0]}”.")
    written = [name]
    for key, value in fields.items():
        written += [key, value if isinstance(value, str) else codec.to_json(value)]
    if coded := [key for key, value in fields.items() if not isinstance(value, str)]:
        written += [JSON_FIELDS, ",".join(coded)]
    if sum(len(part.encode("utf-8", "surrogatepass")) for part in written) > MOST_BYTES:
        raise InvalidInput(f"An event has at most {MOST_BYTES:,} bytes: tell an id, and let the rest be fetched.")
    # Half a surrogate pair cannot be sent.
    return [part.encode("utf-8", "backslashreplace").decode() for part in written]
