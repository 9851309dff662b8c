"""Short addresses that lead on to the real ones."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseRedirect
from django.templatetags.static import static

from dashboard import links


async def to_overview(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(links.overview_url())


async def to_mark(request: HttpRequest) -> HttpResponseRedirect:
    """Browsers ask for /favicon.ico where a page, such as Django's admin, names no icon."""
    return HttpResponseRedirect(static("mark.svg"))


async def to_admin(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(links.site_root() + "/admin/")
