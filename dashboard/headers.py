"""What every answer tells the browser: a strict Content-Security-Policy with a nonce, and not to store or frame it."""

from __future__ import annotations

import secrets
from functools import cache, reduce
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import async_only_middleware

from dashboard import hosting
from dashboard.request import Next, Request

#: A socket to the same host counts as 'self' (CSP3 §6.7.2.8; Chromium, Firefox and Safari ≥ 15.4 do so).
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@cache
def policy(static_url: str) -> str:
    """Where a host serves static files from another place, that one is allowed for them, and for nothing else."""
    parts = urlsplit(static_url)
    if not parts.netloc:
        return POLICY
    place = urlunsplit((parts.scheme, parts.netloc, "", "", "")).removeprefix("//")
    kinds = ("script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'")
    return reduce(lambda said, kind: said.replace(kind, f"{kind} {place}"), kinds, POLICY)


@async_only_middleware
def headers(get_response: Next) -> Next:
    """Outermost. Sets `request.csp_nonce`; pages are not stored unless their view says otherwise."""

    async def middleware(request: Request) -> HttpResponseBase:
        request.csp_nonce = secrets.token_urlsafe(16)
        response = await get_response(request)
        for name, value in FIXED.items():
            response.setdefault(name, value)
        response.setdefault("Content-Security-Policy", policy(settings.STATIC_URL).format(nonce=request.csp_nonce))
        if isinstance(response, HttpResponse) and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        if hosting.is_https():
            response.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        response.setdefault("Cache-Control", "no-store")
        if "public" not in response["Cache-Control"]:
            patch_vary_headers(response, ("Cookie", "HX-Request"))
        return response

    return middleware
