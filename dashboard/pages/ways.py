"""Short addresses that lead on to the real ones."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseRedirect

from dashboard import links


async def to_overview(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(links.overview_url())


async def to_admin(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(links.site_root() + "/admin/")
