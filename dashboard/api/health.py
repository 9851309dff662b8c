"""`GET /api/health`: whether jobs can be added, for load balancers and people; anyone may ask, and Redis hears of it
once a second at most.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from django.http import HttpResponse, JsonResponse

from dashboard.api.methods import takes
from dashboard.pages.shell.frame import known_connection
from dashboard.request import Request
from queues.errors import TorilError
from queues.lookups.shared import shared
from queues.moments import iso
from queues.options import get_options
from queues.protocol import reads

#: The answer is there within two seconds.
TIMEOUT_S = 1.5
EVERY_S = 1.0


@takes("GET")
async def health(request: Request) -> HttpResponse:
    """200 and `ok` while Redis answers or the queue is switched off, else 503 and `error`."""
    enabled = get_options().use_job_queue
    connected = enabled and await _answers(known_connection(request))
    is_ok = connected or not enabled
    redis = "connected" if connected else "disconnected" if enabled else "disabled"
    body = {"status": "ok" if is_ok else "error", "timestamp": _now(), "jobQueue": {"enabled": enabled, "redis": redis}}
    return JsonResponse(body, status=200 if is_ok else 503, headers={"Cache-Control": "no-store"})


async def _answers(connection: str) -> bool:
    key = ("health", get_options().connection(connection))
    return await shared(key, EVERY_S, lambda: _ask(connection))


async def _ask(connection: str) -> bool:
    try:
        await asyncio.wait_for(reads.server_info(connection), TIMEOUT_S)
    except (TorilError, TimeoutError):
        return False
    return True


def _now() -> str:
    return iso(datetime.now(UTC))
