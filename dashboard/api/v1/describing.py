"""The document of this API: `openapi.json` for programs, and for people a page on which each request can be tried."""

from __future__ import annotations

from django.http import HttpResponse

from dashboard import links
from dashboard.api.v1.document import document
from dashboard.api.v1.etags import stamped
from dashboard.request import Request


async def openapi_json(request: Request) -> HttpResponse:
    """The OpenAPI 3.1 document."""
    return stamped(request, HttpResponse(document(links.site_root()), content_type="application/json"))
