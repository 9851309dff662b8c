"""What went wrong, as programs read it below `/api/v1`: problem details (RFC 9457), whoever refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"
#: A body may hold a mistake for every few bytes.
MOST_MISTAKES = 100


class Mistake(BaseModel):
    """One part of a request that cannot be used."""

    at: str = Field(description="Where it stands: `query/limit`, `body/jobs/3/name`.")
    detail: str


class Problem(BaseModel):
    """Problem details (RFC 9457). `code` is stable; `detail` is a sentence for people and may change."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    errors: list[Mistake] = Field(default_factory=list, description="Of a request that cannot be used: each mistake.")


def answer(
    status: int,
    detail: str,
    code: str,
    headers: Mapping[str, str] | None = None,
    mistakes: Iterable[Mistake] = (),
) -> HttpResponse:
    """The answer for whatever was refused or went wrong; `dashboard.errors` comes here for every path of this API."""
    told = Problem(title=title(status), status=status, detail=detail, code=code, errors=list(mistakes))
    return HttpResponse(told.model_dump_json(), status=status, content_type=MEDIA_TYPE, headers=headers)


def title(status: int) -> str:
    """`about:blank` says no more than the status: its own name stands there."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def unusable(errors: Sequence[Mapping[str, Any]]) -> HttpResponse:
    """400 for what does not fit the document, the first places named; what was sent is not repeated."""
    mistakes = [Mistake(at=_place(error["loc"]), detail=str(error["msg"])) for error in errors[:MOST_MISTAKES]]
    first = mistakes[0] if mistakes else Mistake(at="request", detail="It does not fit.")
    more = f" (and {len(errors) - 1:,} more)" if len(errors) > 1 else ""
    return answer(400, f"{first.at}: {first.detail}{more}", "invalid_input", mistakes=mistakes)


def _place(loc: Sequence[Any]) -> str:
    # Of a body the second part is what the view calls it.
    parts = [loc[0], *loc[2:]] if loc[0] == "body" else loc
    return "/".join(str(part)[:80] for part in parts)[:400]
