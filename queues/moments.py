"""Moments between milliseconds since the epoch, datetimes and the text that programs are told."""

from __future__ import annotations

from datetime import UTC, datetime


def exact(ms: float) -> datetime | None:
    """The moment in UTC; None where no calendar reaches: a producer may write anything."""
    try:
        return datetime.fromtimestamp(ms / 1_000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def iso(at: datetime) -> str:
    """As JavaScript writes it: UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
