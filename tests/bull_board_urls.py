"""Bull Board's own client, the npm package's static files, where Toril's pages are: against our routes of its API."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from dashboard.urls import handler400, handler403, handler404, handler500
from dashboard.urls import urlpatterns as ours

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
FILES = Path(__file__).parent / "interop/node_modules/@bull-board/ui/dist"
#: It styles by script, draws with blobs, and would fetch fonts of another host.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:"
CONFIG = {
    "boardTitle": "Bull Board",
    "hasHistoryProvider": True,
    "hasHistoryUsage": True,
    "canPurgeHistory": True,
    "hasLatencyHistory": True,
    "showMetrics": True,
}


async def page(request: HttpRequest, **names: str) -> HttpResponse:
    """As its server fills it in."""
    text = (FILES / "index.ejs").read_text()
    filled = {"<%= basePath %>": "/admin/queues/", "<%= title %>": "Bull Board", "<%- uiConfig %>": json.dumps(CONFIG)}
    filled |= {"<%= favIconAlternative %>": "static/favicon-32x32.png", "<%= favIconDefault %>": "static/favicon.ico"}
    for mark, value in filled.items():
        text = text.replace(mark, value)
    told = "\n".join(line for line in text.splitlines() if "fonts.googleapis.com" not in line)
    return HttpResponse(told, headers={"Content-Security-Policy": POLICY})


async def file(request: HttpRequest, name: str) -> HttpResponse:
    found = (FILES / "static" / name).resolve()
    if not (found.is_file() and found.is_relative_to(FILES)):
        raise Http404
    return HttpResponse(found.read_bytes(), content_type=mimetypes.guess_type(name)[0] or "text/plain")


urlpatterns = [
    path("admin/queues/static/<path:name>", file),
    path("admin/queues/", page),
    path("admin/queues/job-schedulers", page),
    path("admin/queues/metrics-history", page),
    path("admin/queues/queue/<segment:queue>", page),
    path("admin/queues/queue/<segment:queue>/<segment:job_id>", page),
    *ours,
]
