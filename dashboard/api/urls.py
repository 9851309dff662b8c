"""Where programs call: each API's routes, and the paths that the five systems name."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/queues/api/", include("dashboard.api.board.urls")),
    path("api/v1/", include("dashboard.api.v1.urls")),
]
