"""The self-check's page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.drawing import render
from dashboard.pages.redis import checks
from dashboard.pages.redis.checking import BAD, WARNING, Seen
from dashboard.pages.shell.frame import frame, known_connection, visible
from dashboard.request import Request
from queues.errors import RedisRefused, RedisUnavailable
from queues.lookups.self_check import facts
from queues.lookups.snapshot import Snapshot, snapshot
from queues.options import get_options


@require_safe
async def check_page(request: Request) -> HttpResponse:
    """Answers also where Redis never did: that is when one looks here."""
    connection = known_connection(request)
    shown = {"section": "check", "where": get_options().connection(connection)}
    if not get_options().use_job_queue:
        return render(request, "check/page.html", frame(visible(request, await snapshot(connection)), **shown))
    try:
        found = visible(request, await snapshot(connection, max_age_s=0))
        known: Snapshot | None = found
    except (RedisUnavailable, RedisRefused) as error:
        found, known = Snapshot(connection, (), datetime.now(UTC), str(error)), None
    told = await facts(connection, found.queues)
    if found.error and not told.trouble:
        told = replace(told, trouble=found.error)
    done = checks.run(Seen(told, found), with_settings=request.grants.sees_all)
    shown |= {"checks": done, "wrong": sum(check.verdict in (BAD, WARNING) for check in done)}
    return render(request, "check/page.html", frame(known, **shown))
