"""Addresses whose views only tell what reached them: the plumbing seen without any page."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.template import RequestContext, Template
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

import dashboard.urls
from dashboard.request import Request
from queues.abilities import ACTIONS
from queues.errors import JobNotFound, JobStateChanged, RedisUnavailable, TorilError

BASE = "admin/queues"
RAISED: dict[str, Exception] = {
    "toril": TorilError("a secret detail"),
    "gone": JobNotFound("chat", "<7>"),
    "changed": JobStateChanged("7", "retried", "active"),
    "redis": RedisUnavailable("Redis does not answer."),
    "bug": RuntimeError("a secret detail"),
    "database": OperationalError("a secret detail"),
    "404": Http404("a secret detail"),
    "403": PermissionDenied("a secret detail"),
    "400": SuspiciousOperation("a secret detail"),
}


async def told(request: Request, **names: str) -> JsonResponse:
    return JsonResponse(names | {"raw": request.raw_path, "method": request.method})


async def grants(request: Request) -> JsonResponse:
    user = await request.auser()
    shown = Template(
        "{{ grants.job_retry }} {{ grants.queue_retry_all }} {{ grants.job_remove }} {{ user_name }} {{ nothing }}"
    )
    return JsonResponse(
        {
            "same_user": user is request.user,
            "name": request.grants.actor.name,
            "actions": sorted(action for action in ACTIONS if request.grants.may(action)),
            "drawn": shown.render(RequestContext(request)),
        }
    )


async def asked_by(request: Request) -> JsonResponse:
    """What a program path knows of who asks."""
    identity = request.identity
    expires = identity.expires_at and identity.expires_at.isoformat()
    told = {"actor": request.grants.actor.name, "caller": identity.caller, "own": dict(identity.own)}
    return JsonResponse(told | {"expires": expires, "may": sorted(a for a in ACTIONS if request.grants.may(a))})


async def asked_queue(request: Request, queue: str) -> JsonResponse:
    return JsonResponse({"queue": queue, "may": sorted(a for a in ACTIONS if request.grants.on(queue).may(a))})


async def acts(request: Request) -> JsonResponse:
    request.grants.require("job.remove")
    return JsonResponse({"removed": True})


async def fails(request: HttpRequest, how: str) -> JsonResponse:
    raise RAISED[how]


urlpatterns = [
    path(BASE, told),
    path(f"{BASE}/", told),
    path(f"{BASE}/queue/<segment:queue>", told),
    path(f"{BASE}/queue/<segment:queue>/<segment:job_id>", told),
    path("grants", grants),
    path("acts", acts),
    path("api/who", csrf_exempt(asked_by)),
    path("api/who/<segment:queue>", asked_queue),
    path("v1/jobs/who", asked_by),
    path("api/health", asked_by),
    path("api/queue/status", asked_by),
    path("api/v1/who", asked_by),
    path("api/v1/fails/<str:how>", fails),
    path("api/fails/<str:how>", fails),
    path(f"{BASE}/api/fails/<str:how>", fails),
    path("exempt", csrf_exempt(told)),
    path("fails/<str:how>", fails),
    *dashboard.urls.urlpatterns,
]
handler400, handler403 = dashboard.urls.handler400, dashboard.urls.handler403
handler404, handler500 = dashboard.urls.handler404, dashboard.urls.handler500
