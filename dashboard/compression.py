"""Gzip for pages and fragments, in spite of BREACH, and for static files, once each.

BREACH reads a secret out of a compressed page by its length, guess after guess, where the page repeats what the
attacker sends. Here three things stand against it. The session's cookie is SameSite=Lax, so another site's scripts and
images get the sign-in page, never this one; all that is left to them is to open windows one by one. Django masks the
CSRF token anew in each answer, so there is no fixed secret of ours to guess at. And each answer is padded by a random
number of bytes (Heal the BREACH), so that a window's size tells a guess only after very many of them. What nobody may
see is masked before it is compressed; what a person reveals is not compressed at all.
"""

from __future__ import annotations

import gzip
import io
import secrets
from functools import lru_cache

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import async_only_middleware

from dashboard.request import Next, Request

#: Smaller ones fit into a packet or two as they are.
LEAST_BYTES = 1_000
#: Quick: a page of half a megabyte takes 3 ms, and is a twelfth of its size.
LEVEL = 3
MOST_PADDING = 100
TEXTUAL = ("text/", "application/json", "application/openmetrics-text", "application/javascript", "image/svg+xml")
#: Static files, each compressed as far as it goes, are kept: so many.
MOST_FILES = 200


@async_only_middleware
def compression(get_response: Next) -> Next:
    """Compresses what is text and long enough, for whoever accepts it."""

    async def middleware(request: Request) -> HttpResponseBase:
        response = await get_response(request)
        if isinstance(response, HttpResponse) and is_worth_it(response):
            patch_vary_headers(response, ("Accept-Encoding",))
            if accepts(request) and "reveal" not in request.META.get("QUERY_STRING", ""):
                response.content = padded(response.content)
                response["Content-Encoding"] = "gzip"
                response["Content-Length"] = str(len(response.content))
        return response

    return middleware


def accepts(request: HttpRequest) -> bool:
    """Whether gzip may be sent: named, or meant by `*`, and not refused by `q=0`."""
    wanted = dict.fromkeys(("gzip", "*"), False)
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding in wanted:
            wanted[coding] = weight.strip("0.") != "" or weight == ""
            if coding == "gzip":
                return wanted["gzip"]
    return wanted["*"]


def is_worth_it(response: HttpResponse) -> bool:
    return (
        len(response.content) >= LEAST_BYTES
        and not response.has_header("Content-Encoding")
        and response.get("Content-Type", "").startswith(TEXTUAL)
    )


def padded(content: bytes) -> bytes:
    """Compressed, and of another length each time: gzip's header may carry a file's name."""
    held = io.BytesIO()
    name = "a" * secrets.randbelow(MOST_PADDING)
    with gzip.GzipFile(filename=name, mode="wb", compresslevel=LEVEL, fileobj=held, mtime=0) as packed:
        packed.write(content)
    return held.getvalue()


@lru_cache(maxsize=MOST_FILES)
def packed_once(content: bytes) -> bytes:
    """Of a public file, which holds no secret: as small as it gets, the same each time."""
    return gzip.compress(content, 9, mtime=0)


@lru_cache(maxsize=MOST_FILES)
def unpacked_once(content: bytes) -> bytes:
    """Of a file that was compressed before it came here."""
    return gzip.decompress(content)
