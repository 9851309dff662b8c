"""Probes: is this process alive, and can it serve."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest, HttpResponse

from queues.errors import TorilError
from queues.options import get_options
from queues.protocol import reads

TIMEOUT_S = 1.5


async def livez(request: HttpRequest) -> HttpResponse:
    """200 while the loop turns; never asks Redis."""
    return HttpResponse("alive\n", content_type="text/plain")


async def readyz(request: HttpRequest) -> HttpResponse:
    """200 when Redis answers (or the queue is switched off), 503 within two seconds when it does not."""
    if get_options().use_job_queue:
        try:
            await asyncio.wait_for(reads.server_info("default"), TIMEOUT_S)
        except (TorilError, TimeoutError):
            return HttpResponse("Redis does not answer\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain")
