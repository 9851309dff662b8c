"""How an answer is sent: as JSON with its tag, and not at all to whoever has it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from dashboard.api.board.written import Verbatim, written
from dashboard.api.v1.etags import stamped
from dashboard.request import Request


def as_json(told: Any, status: int = 200) -> HttpResponse:
    text = told if isinstance(told, Verbatim) else written(told)
    return HttpResponse(text.encode("utf-8", "replace"), status=status, content_type="application/json; charset=utf-8")


def answer(request: Request, told: Any, *, may_be_kept: bool = False) -> HttpResponse:
    """`told` as JSON; 304 where the caller's tag still holds. What jobs carry no browser keeps on its disk."""
    response = stamped(request, as_json(told))
    if not may_be_kept:
        response["Cache-Control"] = "no-store"
    return response
