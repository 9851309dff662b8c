"""What every answer tells the browser: a strict Content-Security-Policy with a nonce, and not to store or frame it."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import async_only_middleware

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


@async_only_middleware
def headers(get_response: Next) -> Next:
    """Outermost. Sets `request.csp_nonce`; pages are not stored unless their view says otherwise."""

    async def middleware(request: Request) -> HttpResponseBase:
        request.csp_nonce = secrets.token_urlsafe(16)
        response = await get_response(request)
        for name, value in FIXED.items():
            response.setdefault(name, value)
        response.setdefault("Content-Security-Policy", POLICY.format(nonce=request.csp_nonce))
        if isinstance(response, HttpResponse) and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        if settings.HTTPS:
            response.setdefault("Strict-Transport-Security", "max-age=31536000")
        response.setdefault("Cache-Control", "no-store")
        if "public" not in response["Cache-Control"]:
            patch_vary_headers(response, ("Cookie", "HX-Request"))
        return response

    return middleware
