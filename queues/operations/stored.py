"""The undo store: what an operation removes is packed and committed before it goes; only a restore reads it again.

Byte for byte as Redis held it, whatever the mirror leaves out or masks.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgpack
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from queues.errors import TorilError
from queues.models import StoredJobs
from queues.operations.books import Found
from queues.protocol.codec import text
from queues.protocol.copying import Copy
from queues.states import State, parse_state

#: So long it is kept, and so many bytes of it altogether.
KEPT_HOURS = 24
MOST_BYTES = 1024**3
#: Rows that one commit prunes.
PRUNED_AT_ONCE = 50
Copies = Mapping[int, Copy]


class Full(TorilError):
    """The store takes no more."""

    code = "undo_store_full"
    status = 507


async def count(operation: int) -> int:
    """How many jobs of the operation can still be brought back."""
    return (await _kept(operation).aaggregate(jobs=models.Sum("jobs")))["jobs"] or 0


async def until(operation: int) -> datetime | None:
    """When the first of them will be forgotten; None where none is kept."""
    found: datetime | None = (await _kept(operation).aaggregate(first=models.Min("until")))["first"]
    return found


async def room() -> int:
    """Bytes that still fit under the ceiling."""
    return max(0, MOST_BYTES - ((await StoredJobs.objects.aaggregate(size=models.Sum("size")))["size"] or 0))


def keep(operation: int, first: int, last: int, copies: Copies, *, bounded: bool = True) -> int:
    """Inside a transaction: keep these, by their items' numbers, instead of what was kept from `first` on; the bytes
    that it takes. Raises Full.
    """
    if not copies:
        StoredJobs.objects.filter(operation_id=operation, first=first).delete()
        return 0
    body = pack(copies)
    # Narrower ones of a first try that broke: their copies are among these.
    StoredJobs.objects.filter(operation_id=operation, first__gt=first, last__lte=last).delete()
    held = StoredJobs.objects.exclude(operation_id=operation, first=first).aggregate(size=models.Sum("size"))["size"]
    if bounded and (held or 0) + len(body) > MOST_BYTES:
        raise Full(
            _(
                "The undo store is full (%(size)s MB): what is removed from here on cannot be restored. "
                "Resume to go on all the same."
            )
            % {"size": f"{MOST_BYTES // 1024**2:,}"}
        )
    row = {"last": last, "jobs": len(copies), "body": body, "size": len(body)}
    row["until"] = timezone.now() + timedelta(hours=KEPT_HOURS)
    StoredJobs.objects.update_or_create(operation_id=operation, first=first, defaults=row)
    return len(body)


def read(operation: int, seqs: Collection[int]) -> dict[int, Copy]:
    """Those of these items that are kept."""
    if not seqs:
        return {}
    found: dict[int, Copy] = {}
    for row in _kept(operation).filter(first__lte=max(seqs), last__gte=min(seqs)):
        found |= unpack(bytes(row.body))
    return {seq: found[seq] for seq in seqs if seq in found}


def spend(operation: int, seqs: Collection[int]) -> None:
    """Inside a transaction: these are restored, or of no use any more."""
    gone = set(seqs)
    if not gone:
        return
    for row in StoredJobs.objects.filter(operation_id=operation, first__lte=max(gone), last__gte=min(gone)):
        left = {seq: copy for seq, copy in unpack(bytes(row.body)).items() if seq not in gone}
        if not left:
            row.delete()
        elif len(left) < row.jobs:
            row.body, row.jobs = pack(left), len(left)
            row.size = len(row.body)
            row.save(update_fields=["body", "jobs", "size"])


def listed(operation: int) -> list[Found]:
    """Every kept job in the order in which they went; the mark is the item's number."""
    found: dict[int, Found] = {}
    for row in _kept(operation).order_by("first").iterator(chunk_size=10):
        for seq, copy in unpack(bytes(row.body)).items():
            state = parse_state(copy["place"]) or State.WAITING
            found[seq] = Found(copy["queue"], text(copy["id"]), state.value, seq)
    return [found[seq] for seq in sorted(found)]


def size_of(operation: int, first: int) -> int:
    """Bytes of what was kept from this item on."""
    kept = StoredJobs.objects.filter(operation_id=operation, first=first)
    return kept.values_list("size", flat=True).first() or 0


def prune() -> int:
    """Forget some of what is older than it is kept; how many rows went."""
    old = list(StoredJobs.objects.filter(until__lte=timezone.now()).values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    return StoredJobs.objects.filter(pk__in=old).delete()[0] if old else 0


def pack(copies: Copies) -> bytes:
    packed: bytes = msgpack.packb(dict(copies), use_bin_type=True, unicode_errors="surrogatepass")
    return zlib.compress(packed, 1)


def unpack(body: bytes) -> dict[int, Copy]:
    told: dict[int, Any] = msgpack.unpackb(
        zlib.decompress(body), raw=False, strict_map_key=False, unicode_errors="surrogatepass"
    )
    return told


def _kept(operation: int) -> models.QuerySet[StoredJobs]:
    return StoredJobs.objects.filter(operation_id=operation, until__gt=timezone.now())
