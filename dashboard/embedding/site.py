"""The addresses behind a host's door: the pages and APIs, without what a site has once and the host has itself."""

from __future__ import annotations

from django.contrib.auth import alogout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.http import require_POST

from dashboard import hosting
from dashboard.links import BASE
from dashboard.pages import urls as pages


@require_POST
async def sign_out(request: HttpRequest) -> HttpResponse:
    """Of the whole site, for that is where they signed in."""
    await alogout(request)
    return HttpResponseRedirect(hosting.sign_in_url())


urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{BASE}/sign-out", sign_out, name="sign-out"),
    *pages.urlpatterns,
    path("", include("dashboard.api.urls")),
]
handler400 = "dashboard.errors.bad_request"
handler403 = "dashboard.errors.forbidden"
handler404 = "dashboard.errors.not_found"
handler500 = "dashboard.errors.server_error"
