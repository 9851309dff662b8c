"""How the mirror stands, for every page that needs it: whether it leads, how far it is behind, how much it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asgiref.sync import sync_to_async
from django.db import DatabaseError, models
from django.db.models.functions import Now
from django.utils import timezone

from queues.models import Cursor, Job, Lease, MirrorReport, MirrorSize

LEASE = "mirror"


@dataclass(frozen=True, slots=True)
class Followed:
    """One connection, as the mirror last said."""

    connection: str
    lag_s: float
    mending: int = 0
    losses: int = 0
    lost_at: datetime | None = None
    lost_queue: str = ""
    lost_why: str = ""


@dataclass(frozen=True, slots=True)
class Fed:
    """A follower of the rows (search, failures, …): how old the oldest change is that it has not taken in yet."""

    name: str
    lag_s: float


@dataclass(frozen=True, slots=True)
class Size:
    """`bytes` and counts as they were measured last: an estimate."""

    rows: int
    removed: int
    bytes: int
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class MirrorState:
    """`leads`: a mirror holds the lease and renews it. `is_known`: one ever did. Where none leads the lags say
    nothing. `sizes` by name: `jobs`, and what others keep.
    """

    leads: bool = False
    is_known: bool = False
    holder: str = ""
    connections: tuple[Followed, ...] = ()
    feeds: tuple[Fed, ...] = ()
    sizes: tuple[tuple[str, Size], ...] = ()

    def lag_s(self, connection: str) -> float | None:
        """How far behind Redis this connection's rows are; None where nobody says."""
        found = [each.lag_s for each in self.connections if each.connection == connection]
        return found[0] if found and self.leads else None

    def feed_lag_s(self, name: str) -> float | None:
        """How far behind the rows this follower is; None where it never ran or no mirror leads."""
        found = [each.lag_s for each in self.feeds if each.name == name]
        return found[0] if found and self.leads else None

    def size(self, name: str = "jobs") -> Size | None:
        return dict(self.sizes).get(name)


async def mirror_state() -> MirrorState:
    """In one hop to the database. Where that does not answer, nothing leads."""
    try:
        return await sync_to_async(look)()
    except DatabaseError:
        return MirrorState()


async def leads() -> bool:
    """`(await mirror_state()).leads` by itself, for half the price."""
    try:
        return await _leases().filter(until__gt=Now()).aexists()
    except DatabaseError:
        return False


def look() -> MirrorState:
    """The same, where the database is spoken to. Raises DatabaseError."""
    lease = Lease.objects.filter(name=LEASE).first()
    return MirrorState(
        leads=_leases().filter(until__gt=Now()).exists(),
        is_known=lease is not None,
        holder=lease.holder.partition(":")[0] if lease else "",
        connections=tuple(map(_followed, MirrorReport.objects.order_by("connection"))),
        feeds=tuple(_fed(cursor) for cursor in Cursor.objects.order_by("name")),
        sizes=tuple((each.name, _size(each)) for each in MirrorSize.objects.order_by("name")),
    )


def _leases() -> models.QuerySet[Lease]:
    return Lease.objects.filter(name=LEASE).exclude(holder="")


def _followed(said: MirrorReport) -> Followed:
    return Followed(
        said.connection, said.lag_s, said.mending, said.losses, said.lost_at, said.lost_queue, said.lost_why
    )


def _fed(cursor: Cursor) -> Fed:
    waiting = Job.objects.filter(change__gt=cursor.at).order_by("change")
    since = waiting.values_list("synced_at", flat=True).first()
    return Fed(cursor.name, max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0)


def _size(measured: MirrorSize) -> Size:
    return Size(measured.rows, measured.removed, measured.bytes, measured.measured_at)
