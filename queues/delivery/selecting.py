"""Which endpoints a happening is for: by kind, queue, job name and what stands in the job's data.

Nobody hears of a queue that they may not see, and nobody finds out by a filter what stands behind a mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from queues import masking
from queues.delivery.rights import Rights, rights_of
from queues.models import Endpoint
from queues.patterns import fits_any
from queues.protocol.codec import parse_json

#: So far a worker's clock may be behind this machine's, and its ending right after an endpoint was made is still told.
CLOCKS = timedelta(seconds=5)


@dataclass(frozen=True)
class Happening:
    """`data` is told to everybody it is for. `documents` (JSON as text) and `texts` are payload: told, masked, to
    whoever asks for it and may read it. `key` tells it from others for good: it is told once.
    """

    kind: str
    connection: str
    queue: str
    data: Mapping[str, Any]
    at: datetime
    key: str
    job_id: str = ""
    job_name: str = ""
    documents: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def masked_data(self) -> Any:
        """A job's data as it is shown."""
        return parse_json(masking.mask_json(self.documents.get("data", "")))


@dataclass(frozen=True, slots=True)
class Chosen:
    """An endpoint with what its maker wanted told there."""

    row: Endpoint
    kinds: frozenset[str]
    queues: Sequence[str]
    names: Sequence[str]
    data: Mapping[str, str]
    rights: Rights

    @property
    def asks_for_payload(self) -> bool:
        return bool(self.data) or self.row.with_payload

    def is_for(self, told: Happening) -> bool:
        """By all that needs no payload."""
        return (
            told.kind in self.kinds
            and told.connection == self.row.connection
            and told.at >= self.row.since - CLOCKS
            and fits_any(self.queues, told.queue)
            and (not told.kind.startswith("job.") or fits_any(self.names, told.job_name))
            and self.rights.hears(told.connection, told.queue)
            and (not self.data or (told.kind.startswith("job.") and self.rights.reads(told.connection, told.queue)))
        )

    def fits_data(self, told: Happening) -> bool:
        return all(spelled(told.masked_data, path) == wanted for path, wanted in self.data.items())

    def reads(self, told: Happening) -> bool:
        return self.row.with_payload and self.rights.reads(told.connection, told.queue)


def chosen(rows: Iterable[Endpoint]) -> Iterator[Chosen]:
    """Rights are looked up once for each maker."""
    known: dict[int | None, Rights] = {}
    for row in rows:
        if row.maker_id not in known:
            known[row.maker_id] = rights_of(row.maker_id)
        kinds, queues, names = (json.loads(text) for text in (row.kinds, row.queues, row.names))
        yield Chosen(row, frozenset(kinds), queues, names, json.loads(row.data), known[row.maker_id])


def spelled(document: Any, path: str) -> str | None:
    """What stands at `plan.tier` or `items.0.id`: texts as they are, anything else as JSON; None for nothing."""
    for step in path.split("."):
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list) and step.isdecimal() and len(step) < 9 and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
