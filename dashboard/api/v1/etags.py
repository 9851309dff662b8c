"""Entity tags: an answer that says the same as the last one is not sent again."""

from __future__ import annotations

import hashlib
import re

from django.http import HttpRequest, HttpResponse

_TAG = re.compile(r'(?:W/)?"[^"]*"')


def etag(content: bytes) -> str:
    """Weak, for answers are compressed anew each time: it is what they say that is the same."""
    return f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def stamped(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The answer with its tag, or 304 for whoever has it; only of what was read."""
    if request.method != "GET" or response.status_code != 200:
        return response
    response["ETag"] = etag(response.content)
    # Whoever keeps it asks each time whether it still holds.
    response["Cache-Control"] = "private, no-cache"
    if not matches(request.headers.get("If-None-Match", ""), response["ETag"]):
        return response
    unchanged = HttpResponse(status=304, headers={name: response[name] for name in ("ETag", "Cache-Control")})
    del unchanged["Content-Type"]
    return unchanged


def matches(told: str, tag: str) -> bool:
    """Whether a list of tags, or `*`, names this one; weakly, as If-None-Match compares (RFC 9110, 13.1.2)."""
    if told.strip() == "*":
        return True
    return tag.removeprefix("W/") in (each.removeprefix("W/") for each in _TAG.findall(told[:8_000]))
