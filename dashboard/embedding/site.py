"""The addresses behind a host's door: the pages and APIs, without what a site has once and the host has itself."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from dashboard import urls as own
from dashboard.links import BASE

_sign_out = next(each for each in own.urlpatterns if isinstance(each, URLPattern) and each.name == "sign-out")
urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{BASE}/sign-out", _sign_out.callback, name="sign-out"),
    *(each for each in own.urlpatterns if str(each.pattern).startswith(BASE)),
    path("", include("dashboard.api.urls")),
]
handler400, handler403, handler404, handler500 = own.handler400, own.handler403, own.handler404, own.handler500
