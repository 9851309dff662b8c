"""Signing in and out."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth import alogout, authenticate, login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from dashboard import attempts, links
from dashboard.access import SIGN_IN, safe_next
from dashboard.request import Request

WRONG = gettext_lazy("This name and password do not belong together.")
TOO_MANY = gettext_lazy("Too many attempts. Wait ten minutes, then try again.")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
async def sign_in(request: Request) -> HttpResponse:
    """One answer for a wrong name, a wrong password and a disabled account."""
    target = safe_next(request, request.POST.get("next") or request.GET.get("next") or "")
    if request.method == "POST":
        name, password = request.POST.get("username", ""), request.POST.get("password", "")
        problem, status = await sync_to_async(_try)(request, name, password)
        if not problem:
            return HttpResponseRedirect(target)
        shown = {"next": target, "problem": problem, "username": name}
        return render(request, "session/sign_in.html", shown, status=status)
    if request.grants.may_see:
        return HttpResponseRedirect(target)
    return render(request, "session/sign_in.html", {"next": target})


@require_POST
async def sign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponseRedirect(links.site_root() + SIGN_IN)


def _try(request: HttpRequest, name: str, password: str) -> tuple[str, int]:
    """Sign in, or say what is wrong and with which status."""
    if not name or not password or len(name) > 150 or len(password) > 4_096:
        return str(WRONG), 400
    attempt = attempts.open_attempt(name, attempts.address_of(request))
    if attempt is None:
        return str(TOO_MANY), 429
    user = authenticate(request, username=name, password=password)
    if user is None:
        return str(WRONG), 400
    attempts.strike_out(attempt)
    login(request, user)
    return "", 200
