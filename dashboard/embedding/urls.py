"""What a host includes, before its own `admin/`: `path("", include("dashboard.embedding.urls"))`.

Every address of ours leads through one door, behind which they are resolved anew, by our rules for names in paths.
What is none of ours goes on to the host: its admin may have an app labelled `queues`, with its models below our root.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import path, re_path

from dashboard.embedding.door import door
from dashboard.links import BASE
from dashboard.pages import urls as pages

app_name = "toril"

#: Beside the pages. A route of the host's that stands before the include wins.
PROGRAMS = (f"{BASE}/api", f"{BASE}/sign-out", "api/v1", "api/events", "api/health", "api/queue/status", "metrics",
            "v1/admin/queue")  # fmt: skip


def _roots() -> Iterator[str]:
    """All that lies at or below these is ours."""
    yield from PROGRAMS
    for each in pages.urlpatterns:
        noun = str(each.pattern).removeprefix(BASE).strip("/").partition("/")[0]
        if noun:
            yield f"{BASE}/{noun}"


ROOTS = tuple(dict.fromkeys(_roots()))
urlpatterns = [
    path(BASE, door),
    path(f"{BASE}/", door, name="overview"),
    *(re_path(rf"^{root}(?:/[\s\S]*)?\Z", door) for root in ROOTS),
]
