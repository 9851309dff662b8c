"""The CSRF token under the names that Bull Board's client knows: it reads the cookie and sends it back as a header."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import get_token

from dashboard import links
from dashboard.request import Request

COOKIE = "XSRF-TOKEN"


def with_token(request: Request, response: HttpResponse) -> HttpResponse:
    """For whoever is known by a session alone: keys and tokens need none. Readable by scripts of this host, as it must
    be; without the session's own cookie, which is not, it opens nothing.
    """
    identity = request.identity
    if identity.uses_cookies and identity.caller:
        path = f"{links.site_root()}/"
        response.set_cookie(COOKIE, get_token(request), path=path, secure=settings.CSRF_COOKIE_SECURE, samesite="Lax")
    return response
