"""What happened becomes a delivery for each endpoint that it is for, in the transaction of whoever tells it.

Nothing is sent here. Told again under the same key, it makes nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.utils import timezone

from queues import masking
from queues.delivery.selecting import Chosen, Happening, chosen
from queues.models import Delivery, Endpoint
from queues.moments import iso
from queues.protocol.codec import to_json

#: A payload field of more characters is left out, and named in `omitted`.
LONGEST_FIELD = 16 * 1024
#: Rows per statement.
TOGETHER = 250


def tell(
    kind: str,
    data: Mapping[str, Any],
    *,
    connection: str,
    queue: str = "",
    job_name: str = "",
    job_data: Any = None,
    key: str = "",
    at: datetime | None = None,
) -> int:
    """Make one delivery per enabled endpoint that it fits, inside the caller's transaction; how many endpoints.

    An empty queue means the connection as a whole. `job_data` is JSON as text, or a value. Told twice under one `key`
    it is delivered once; without one each call is a happening of its own.
    """
    documents = {} if job_data is None else {"data": job_data if isinstance(job_data, str) else to_json(job_data)}
    moment = at or timezone.now()
    told = Happening(
        kind, connection, queue, data, moment, key or secrets.token_hex(16), job_name=job_name, documents=documents
    )
    return len(tell_all([told], listeners(connection, {kind})))


def listeners(connection: str | None, kinds: Collection[str]) -> list[Chosen]:
    """The enabled endpoints that wish to hear of one of these, with what their makers may see now."""
    rows = Endpoint.objects.filter(enabled=True)
    rows = rows if connection is None else rows.filter(connection=connection)
    return [one for one in chosen(rows) if one.kinds & set(kinds)]


def tell_all(
    happenings: Iterable[Happening],
    to: Sequence[Chosen],
    fill: Callable[[Sequence[Happening]], Sequence[Happening]] | None = None,
) -> list[Delivery]:
    """Inside a transaction. `fill` gives those their payload which somebody asks for it; it is read for no others."""
    pairs = [(told, one) for told in happenings for one in to if one.is_for(told)]
    if fill is not None:
        wanting = {told.key: told for told, one in pairs if one.asks_for_payload}
        filled = {told.key: told for told in fill(list(wanting.values()))} if wanting else {}
        pairs = [(filled.get(told.key, told), one) for told, one in pairs]
    rows = [_delivery(told, one) for told, one in pairs if one.fits_data(told)]
    Delivery.objects.bulk_create(rows, batch_size=TOGETHER, ignore_conflicts=True)
    return rows


def make(told: Happening, endpoint: Endpoint) -> Delivery:
    """One for this endpoint, whatever it wishes to hear: a test."""
    row = _row(told, endpoint, with_payload=False)
    row.save()
    return row


def _delivery(told: Happening, one: Chosen) -> Delivery:
    return _row(told, one.row, with_payload=one.reads(told))


def _row(told: Happening, endpoint: Endpoint, *, with_payload: bool) -> Delivery:
    return Delivery(
        endpoint=endpoint,
        message_id=f"msg_{secrets.token_hex(16)}",
        key=sha256(told.key.encode("utf-8", "surrogatepass")).hexdigest(),
        kind=told.kind,
        connection=told.connection,
        queue=_plain(told.queue)[:512],
        job_id=_plain(told.job_id)[:1024],
        job_name=_plain(told.job_name)[:200],
        body=body_of(told, with_payload=with_payload),
        has_payload=with_payload and bool(told.documents or told.texts),
        due_at=timezone.now(),
    )


def body_of(told: Happening, *, with_payload: bool) -> str:
    """JSON in ASCII alone, so that no receiver reads other bytes than were signed."""
    data = dict(told.data)
    if with_payload:
        data |= _payload(told)
    return json.dumps({"type": told.kind, "timestamp": iso(told.at), "data": data}, separators=(",", ":"), default=str)


def _payload(told: Happening) -> dict[str, Any]:
    found: dict[str, Any] = {}
    omitted = []
    fields = [(name, text, True) for name, text in told.documents.items()]
    fields += [(name, text, False) for name, text in told.texts.items()]
    for name, text, is_json in fields:
        if len(text) > LONGEST_FIELD:
            found[name] = None
            omitted.append(name)
        else:
            found[name] = _document(text) if is_json else masking.mask_text(text)
    return found | {"omitted": omitted} if omitted else found


def _document(text: str) -> Any:
    masked = masking.mask_json(text)
    try:
        # NaN is no JSON that others could read.
        return json.loads(masked, parse_constant=str) if masked else None
    except (ValueError, RecursionError):
        return masked


def _plain(text: str) -> str:
    """PostgreSQL refuses NUL, and lone surrogates are no text."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
