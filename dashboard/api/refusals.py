"""How programs are told what went wrong: in the words of the API that they called, never as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse

from dashboard.api.board import refusals as board
from dashboard.api.v1 import problems
from dashboard.links import BASE
from queues.errors import TooManyRequests, TorilError, Unauthorized

#: RFC 6750: what kind of credential is missing, or that what was shown is none.
CHALLENGE, INVALID = 'Bearer realm="toril"', 'Bearer realm="toril", error="invalid_token"'


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an API is told of it: `details` are the error's own fields, fit for whoever asked."""

    status: int
    title: str
    message: str
    code: str
    details: Mapping[str, Any] = field(default_factory=dict)
    error: TorilError | None = None


#: Where programs are told something else than people.
TITLES = {401: "Not known", 429: "Too many requests"}


#: Where an API speaks its own language: the beginning of its paths → the body and its content type.
Speaker = Callable[[HttpRequest, Refusal], tuple[Any, str]]


def of(request: HttpRequest, error: TorilError, title: str) -> HttpResponse:
    """Raised by a view or by whoever lets programs in."""
    refusal = Refusal(error.status, TITLES.get(error.status, title), str(error), error.code, error=error)
    return answer(request, refusal, _headers(error))


def answer(request: HttpRequest, refusal: Refusal, headers: Mapping[str, str] | None = None) -> HttpResponse:
    body, content_type = _speaker(request.path_info)(request, refusal)
    return HttpResponse(json.dumps(body), status=refusal.status, content_type=content_type, headers=headers)


def _headers(error: TorilError) -> dict[str, str]:
    if isinstance(error, Unauthorized) and error.status == 401:
        return {"WWW-Authenticate": CHALLENGE if error.code == "credentials_missing" else INVALID}
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.wait_s)}
    return {}


def _speaker(path: str) -> Speaker:
    return next((speaker for beginning, speaker in SPEAKERS.items() if path.startswith(beginning)), plain)


def plain(request: HttpRequest, refusal: Refusal) -> tuple[Any, str]:
    return {"error": {"code": refusal.code, "message": refusal.message}}, "application/json"


def problem(request: HttpRequest, refusal: Refusal) -> tuple[Any, str]:
    """RFC 9457; `type` says nothing beyond the status, `code` is for programs."""
    title = problems.title(refusal.status)
    told = {"type": "about:blank", "title": title, "status": refusal.status, "detail": refusal.message}
    return {**told, "code": refusal.code, **refusal.details}, "application/problem+json"


SPEAKERS: dict[str, Speaker] = {f"/{BASE}/api/": board.speak, "/api/v1/": problem}
