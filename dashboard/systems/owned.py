"""What somebody asked for and the jobs it led to, as its own caller may see it: brought up to date as it is read."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from dashboard.request import Request
from dashboard.systems.models import Page, Paper
from dashboard.systems.settling import settle

T = TypeVar("T", Page, Paper)


async def one(request: Request, model: type[T], pk: UUID) -> tuple[T, list[Any]] | None:
    """It with its works; None where this caller has none of that id."""
    row = await model.objects.filter(pk=pk, owner=request.identity.caller).prefetch_related("works").afirst()
    if row is None:
        return None
    works = list(row.works.all())
    await settle(works)
    return row, works


async def newest(request: Request, model: type[T], limit: int, offset: int) -> list[tuple[T, list[Any]]]:
    """The newest first, as their jobs are now."""
    mine = model.objects.filter(owner=request.identity.caller).order_by("-created_at").prefetch_related("works")
    found = [(row, list(row.works.all())) async for row in mine[offset : offset + limit]]
    await settle(work for _row, works in found for work in works)
    return found
