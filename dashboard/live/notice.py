"""An event as programs are told it: ids and a step, no payload but the progress; and what is told about the telling."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dashboard import links
from dashboard.live.facts import Facts, Scalar, indexed, is_plain, said
from queues.masking import mask_json
from queues.options import get_options
from queues.options.live import OWN_NAMES
from queues.protocol import codec
from queues.protocol.events import BULLMQ, JSON_FIELDS, Event
from queues.protocol.together import Mark, event_id, mark_of

#: BullMQ's word → ours. Of BullMQ's other events nothing is told.
STEPS = {"added": "queued", "active": "started", "progress": "progress", "completed": "completed", "failed": "failed"}
#: Longer progress is fetched, not told; a longer field of an event of one's own is left out.
LARGEST_CHARS = 8 * 1024
_ID = re.compile(r"(\d{1,15})-(\d{1,18})(?::(.{1,3072}))?", re.ASCII)


@dataclass(frozen=True)
class Message:
    """`id` is where its reader goes on; empty: it says nothing of that."""

    type: str
    text: str
    id: str = ""

    @cached_property
    def frame(self) -> bytes:
        """As a Server-Sent Event. A heartbeat is none: it only moves the place from which its reader would go on."""
        head = f"id: {self.id}\n" if self.id else ""
        if self.type == "heartbeat":
            return f": heartbeat\n{head}\n".encode()
        return f"{head}event: {self.type}\ndata: {self.text}\n\n".encode("utf-8", "backslashreplace")


def message(type: str, /, *, id: str = "", **fields: Any) -> Message:
    told = {"type": type, **({"id": id} if id else {}), **fields}
    return Message(type, json.dumps(told, separators=(",", ":")), id)


@dataclass(eq=False)
class Notice:
    """`full` is for whoever may read what jobs carry, `bare` for everybody who sees the queue. Each is made once."""

    event: Event
    type: str
    #: Where a queue has names of its own: which step it is.
    status: str = ""
    facts: Facts | None = None
    #: What the event itself says, where it is somebody's own.
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mark(self) -> Mark:
        return mark_of(self.event)

    @cached_property
    def carried(self) -> Mapping[str, str]:
        """By which it is found, as it is compared; what a job carries goes before what is said of it."""
        told: dict[str, Scalar] = {name: self.said[name] for name in indexed() if is_plain(self.said.get(name))}
        held = self.facts.fields if self.facts is not None else {}
        return {name: said(value) for name, value in {**told, **held}.items()}

    @cached_property
    def full(self) -> Message:
        facts = self.facts.fields if self.facts is not None else {}
        told = {**self.said, **facts, **self._progress()}
        masked = codec.parse_json(mask_json(codec.to_json(told))) if told else {}
        return self._message({name: value for name, value in masked.items() if name not in _SAID})

    @cached_property
    def bare(self) -> Message:
        return self._message({})

    def _message(self, more: Mapping[str, Any]) -> Message:
        event = self.event
        name = {"jobName": self.facts.name} if self.facts is not None and self.facts.name else {}
        status = {"status": self.status} if self.status else {}
        job = {"jobId": event.job_id} if event.job_id else {}
        return message(self.type, id=write_mark(self.mark), queue=event.queue, **job, **name, **status, **more)

    def _progress(self) -> dict[str, Any]:
        if self.event.type != "progress":
            return {}
        written = self.event.fields.get(b"data", b"")
        if len(written) > LARGEST_CHARS:
            return {"progressTooLarge": True}
        return {"progress": codec.parse_finite(codec.text(written))}


#: What no event can say in the place of the message.
_SAID = OWN_NAMES - {"progress", "status"}


def notice_of(event: Event, facts: Facts | None) -> Notice | None:
    """None for what programs are not told."""
    step = STEPS.get(event.type)
    if step is None:
        return Notice(event, event.type, facts=facts, said=_said(event)) if _is_own(event) else None
    naming = get_options().live.naming(event.queue)
    if naming is None:
        return Notice(event, f"job:{step}", facts=facts)
    status = naming.statuses.get(step)
    return Notice(event, naming.name, status, facts) if status is not None else None


def _is_own(event: Event) -> bool:
    return event.type not in BULLMQ and re.fullmatch(r"[A-Za-z][\w:.-]{0,63}", event.type, re.ASCII) is not None


def _said(event: Event) -> dict[str, Any]:
    coded = event.fields.get(JSON_FIELDS.encode(), b"").decode("utf-8", "replace").split(",")
    told: dict[str, Any] = {}
    for name, value in event.fields.items():
        key = codec.text(name)
        if key not in _SAID and key != JSON_FIELDS and len(value) <= LARGEST_CHARS:
            told[key] = codec.parse_finite(codec.text(value)) if key in coded else codec.text(value)
    return told


# --- places, as programs keep them


def write_mark(mark: Mark) -> str:
    queue = f":{links.segment(mark.queue)}" if mark.queue else ""
    return f"{event_id(mark.position)}{queue}"


def unnamed(mark: Mark) -> Mark:
    """The same place without its queue's name: what others wrote in that very millisecond is told again."""
    return Mark((max(0, mark.position[0] - 1), 10**18 - 1)) if mark.queue else mark


def read_mark(text: str) -> Mark | None:
    """None for what no message carried."""
    found = _ID.fullmatch(text)
    return Mark((int(found[1]), int(found[2])), links.name_of(found[3]) if found[3] else "") if found else None
