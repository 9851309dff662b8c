"""Static files from WhiteNoise's index, without a thread or a database; no collectstatic is needed.

A file's address carries a hash of what is in it (`toril.js?v=…`), so that browsers keep it for good; under an address
without one, or with that of another version, they keep it for a minute and ask whether it is still so.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from dashboard.compression import accepts, is_worth_it, packed_once, unpacked_once
from dashboard.request import Next, Request

FOR_GOOD = "max-age=31536000, public, immutable"


class Versioned(StaticFilesStorage):
    """Addresses with the hash of the file's content."""

    def url(self, name: str | None) -> str:
        mark = version(name or "")
        return super().url(name) + (f"?v={mark}" if mark else "")


def version(name: str) -> str:
    """Of the static file of that name, as it is now; empty where there is none."""
    found = finders.find(name)
    return _hash(found, Path(found).stat().st_mtime_ns) if isinstance(found, str) and Path(found).is_file() else ""


@lru_cache(maxsize=1_000)
def _hash(path: str, changed_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


class Assets:
    """Answers what lies below STATIC_URL; everything else goes on."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.index = WhiteNoiseMiddleware()
        markcoroutinefunction(self)

    async def __call__(self, request: Request) -> HttpResponseBase:
        if not request.path_info.startswith(self.index.static_prefix):
            return await self.get_response(request)
        if self.index.autorefresh:
            file = await sync_to_async(self.index.find_file)(request.path_info)
        else:
            file = self.index.files.get(request.path_info)
        if file is None:
            return HttpResponse("Not found.", status=404, content_type="text/plain")
        return _answer(file, request)


def _answer(file: StaticFile, request: Request) -> HttpResponse:
    # Two encodings of one file have one tag, a weak one; WhiteNoise knows it as a strong one.
    asked = request.META | {"HTTP_IF_NONE_MATCH": request.META.get("HTTP_IF_NONE_MATCH", "").removeprefix("W/")}
    found = file.get_response(request.method, asked)
    response = HttpResponse(status=int(found.status))
    del response["Content-Type"]
    for name, value in found.headers:
        response[name] = value
    if response.has_header("ETag"):
        response["ETag"] = f"W/{response['ETag'].removeprefix('W/')}"
    if found.file is not None:
        # Whole, at once: they are small, and a file object would be read piece by piece in a thread.
        # The length is of what was read: a file may have changed since the index was made.
        with found.file as handle:
            response.content = handle.read()
        _dress(response, request, found.status == 200)
    return response


def _dress(response: HttpResponse, request: Request, is_whole: bool) -> None:
    """Compressed, unless a part of it was asked for; kept for good where the address names exactly this content."""
    mark = request.GET.get("v", "")
    if is_whole and len(mark) >= 12 and hashlib.sha256(_unpacked(response)).hexdigest().startswith(mark):
        response["Cache-Control"] = FOR_GOOD
    if is_whole and is_worth_it(response):
        patch_vary_headers(response, ("Accept-Encoding",))
        if accepts(request):
            response.content = packed_once(response.content)
            response["Content-Encoding"] = "gzip"
    response["Content-Length"] = str(len(response.content))


def _unpacked(response: HttpResponse) -> bytes:
    """What the file holds, also where `collectstatic` left it compressed beside itself."""
    return unpacked_once(response.content) if response.get("Content-Encoding") == "gzip" else response.content
