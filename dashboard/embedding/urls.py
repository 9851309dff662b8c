"""What a host includes, before its own `admin/`: `path("", include("dashboard.embedding.urls"))`.

Every address of ours leads through one door, behind which they are resolved anew, by our rules for names in paths.
"""

from __future__ import annotations

from django.urls import path, re_path

from dashboard.embedding.door import door
from dashboard.links import BASE

app_name = "toril"

#: All that lies at or below these is ours. A route of the host's that stands before the include wins.
ROOTS = (BASE, "api/v1", "api/events", "api/health", "api/queue/status", "metrics", "v1/admin/queue")

urlpatterns = [
    path(f"{BASE}/", door, name="overview"),
    *(re_path(rf"^{root}(?:/[\s\S]*)?\Z", door) for root in ROOTS),
]
