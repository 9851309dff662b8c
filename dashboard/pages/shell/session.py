"""Signing in and out."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth import alogout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from dashboard import links
from dashboard.access import SIGN_IN, safe_next
from dashboard.drawing import render
from dashboard.pages.shell.provider import link
from dashboard.request import Request
from dashboard.sign_in.trying import log, try_in


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
async def sign_in(request: Request) -> HttpResponse:
    """One answer for a wrong name, a wrong password and a disabled account."""
    target = safe_next(request, request.POST.get("next") or request.GET.get("next") or "")
    if request.method == "POST":
        name, password = request.POST.get("username", ""), request.POST.get("password", "")
        problem, status = await sync_to_async(try_in)(request, name, password)
        if not problem:
            return HttpResponseRedirect(target)
        shown = {"next": target, "problem": problem, "username": name, "provider": link(target)}
        return render(request, "session/sign_in.html", shown, status=status)
    if request.grants.may_see:
        return HttpResponseRedirect(target)
    return render(request, "session/sign_in.html", {"next": target, "provider": link(target)})


@require_POST
async def sign_out(request: HttpRequest) -> HttpResponse:
    log.info("signed out", user=request.user.get_username())
    await alogout(request)
    # A page that a browser still holds is not shown to whoever sits down next.
    return HttpResponseRedirect(links.site_root() + SIGN_IN, headers={"Clear-Site-Data": '"cache"'})
