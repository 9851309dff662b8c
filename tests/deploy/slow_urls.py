"""The site with one page more, which is done when a file is there."""

import asyncio
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.urls import *  # noqa: F403
from dashboard.urls import urlpatterns


async def slow(request: HttpRequest) -> HttpResponse:
    folder = Path(request.GET["folder"])
    (folder / "asked").touch()
    while not (folder / "go").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return HttpResponse("x" * 3_000_000)


urlpatterns = [path("slow", slow), *urlpatterns]
