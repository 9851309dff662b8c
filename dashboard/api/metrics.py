"""`/metrics`, for Prometheus: by credential, from a trusted network, or open where counts are (docs/monitoring.md)."""

from __future__ import annotations

import asyncio

from django.http import HttpResponse
from django.utils.translation import gettext as _
from prometheus_client import exposition

from dashboard.api.exposition import Exposition
from dashboard.api.methods import takes
from dashboard.grants import Sight
from dashboard.pages.shell.frame import known_connection
from dashboard.request import Request
from dashboard.sign_in.proxies import was_handed_on
from queues.errors import Forbidden, Unauthorized
from queues.lookups.exported import EVERY_S, exported
from queues.lookups.shared import shared
from queues.options import get_options


@takes("GET")
async def metrics(request: Request) -> HttpResponse:
    """The figures of one connection, as text; its format is what the scraper accepts, Prometheus's own or OpenMetrics.

    Of queues that the asker does not see there is none. A Redis that is away is told by `bullmq_redis_up 0`.
    """
    sight, is_named = _sight(request)
    connection = known_connection(request)
    encode, media_type = exposition.choose_encoder(request.headers.get("Accept", ""))
    found = await exported(connection)

    async def draw() -> bytes:
        told = Exposition(found, _everything if sight is None else sight.sees, names_workers=is_named)
        # Tens of milliseconds for hundreds of queues: the loop serves others meanwhile.
        return await asyncio.to_thread(encode, told)

    options = get_options()
    of = options.connection(connection), options.metrics, options.use_job_queue
    text = await shared(("exposition", *of, sight, is_named, media_type), EVERY_S, draw)
    return HttpResponse(text, content_type=media_type, headers={"Cache-Control": "no-store"})


def _sight(request: Request) -> tuple[Sight | None, bool]:
    """What may be told (None: everything), and whether workers are named. Raises Unauthorized or Forbidden."""
    grants = request.grants
    if request.identity.caller and grants.may_see:
        return grants.sight(), True
    if _is_trusted(request):
        return None, True
    if grants.may_see:
        # Counts are public, and the names of hosts are none.
        return grants.sight(), False
    if request.identity.caller:
        raise Forbidden(_("Your account may not look at any queue yet. An administrator can change that."))
    raise Unauthorized(_("An API key, a token or a session is needed here."))


def _is_trusted(request: Request) -> bool:
    # Behind a proxy the address that connects is the proxy's, and whose the request is nobody knows for sure.
    if was_handed_on(request):
        return False
    return get_options().metrics.trusts(request.META.get("REMOTE_ADDR", ""))


def _everything(queue: str) -> bool:
    return True
