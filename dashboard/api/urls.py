"""Where programs call: each API's routes, and the paths that the five systems name."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from dashboard.api import health, metrics, queue_admin, status
from dashboard.live import sse

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/queues/api/", include("dashboard.api.board.urls")),
    path("api/v1/", include("dashboard.api.v1.urls")),
    path("metrics", metrics.metrics),
    path("api/events", sse.events),
    path("api/health", health.health),
    path("api/queue/status", status.status),
    path("v1/admin/queue/metrics", queue_admin.metrics),
    path("v1/admin/queue/metrics/all", queue_admin.all_metrics),
    path("v1/admin/queue/pause", queue_admin.pause),
    path("v1/admin/queue/resume", queue_admin.resume),
    path("v1/admin/queue/clean", queue_admin.clean),
]

# Absent where the demonstration is off, tables and all.
if getattr(settings, "DEMO", False):
    urlpatterns.append(path("", include("dashboard.systems.urls")))
