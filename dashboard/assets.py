"""Static files from WhiteNoise's index, without a thread or a database; no collectstatic is needed."""

from __future__ import annotations

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.http import HttpResponse, HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from dashboard.request import Next, Request


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
        return (
            HttpResponse("Not found.", status=404, content_type="text/plain")
            if file is None
            else _answer(file, request)
        )


def _answer(file: StaticFile, request: Request) -> HttpResponse:
    found = file.get_response(request.method, request.META)
    response = HttpResponse(status=int(found.status))
    del response["Content-Type"]
    for name, value in found.headers:
        response[name] = value
    if found.file is not None:
        # Whole, at once: they are small, and a file object would be read piece by piece in a thread.
        # The length is of what was read: a file may have changed since the index was made.
        with found.file as handle:
            response.content = handle.read()
        response["Content-Length"] = str(len(response.content))
    return response
