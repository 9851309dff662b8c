"""Where each address leads."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from dashboard.pages import urls as pages
from dashboard.pages.shell import health, provider, session, sessions, ways

urlpatterns: list[URLPattern | URLResolver] = [
    path("sign-in", session.sign_in, name="sign-in"),
    path("sign-in/provider", provider.leave),
    path("sign-in/provider/back", provider.come_back),
    path("sign-out", session.sign_out, name="sign-out"),
    path("admin/queues/sessions", sessions.sessions_page),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("favicon.ico", ways.to_mark),
    path("", ways.to_overview),
    *pages.urlpatterns,
    path("", include("dashboard.api.urls")),
    # After the dashboard, which lies below it.
    path("admin", ways.to_admin),
    path("admin/", admin.site.urls),
]

handler400 = "dashboard.errors.bad_request"
handler403 = "dashboard.errors.forbidden"
handler404 = "dashboard.errors.not_found"
handler500 = "dashboard.errors.server_error"
