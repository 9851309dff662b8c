"""Sign-in by a provider elsewhere: the way there, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import login
from django.core import signing
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard import hosting
from dashboard.access import PROVIDER, PROVIDER_BACK, safe_next
from dashboard.request import Request
from dashboard.sign_in import people, provider
from dashboard.sign_in.hurry import waiting_at_most
from queues.errors import Forbidden

if TYPE_CHECKING:
    from dashboard.sign_in.openid import Claimed

log = structlog.get_logger("toril.sign_in")
SALT = "toril.sign-in.provider"
#: So long somebody may take at the provider's.
WITHIN_S = 600
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_safe
async def leave(request: Request) -> HttpResponse:
    options = _options()
    # Loads a library that nobody else needs.
    from dashboard.sign_in import openid

    address, kept = await openid.leave(options, request.build_absolute_uri(hosting.root() + PROVIDER_BACK))
    kept["next"] = safe_next(request, request.GET.get("next", ""))
    response = HttpResponseRedirect(address)
    response.set_cookie(
        _cookie(), signing.dumps(kept, salt=SALT), max_age=WITHIN_S, secure=hosting.is_https(), httponly=True,
        samesite="Lax",
    )  # fmt: skip
    return response


@require_safe
async def come_back(request: Request) -> HttpResponse:
    from dashboard.sign_in import openid

    options = _options()
    try:
        kept = signing.loads(request.COOKIES.get(_cookie(), ""), salt=SALT, max_age=WITHIN_S)
    except signing.BadSignature:
        raise Forbidden(_("This sign-in was not begun in this browser, or too long ago. Begin anew.")) from None
    claimed = await openid.come_back(options, request.GET.dict(), kept)
    await sync_to_async(_let_in)(request, options, claimed)
    response = HttpResponseRedirect(kept["next"])
    response.delete_cookie(_cookie(), samesite="Lax")
    return response


def link(target: str) -> dict[str, str] | None:
    """What the page of sign-in shows of it."""
    options = provider.configured()
    if options is None:
        return None
    return {"name": options.name, "address": f"{hosting.root()}{PROVIDER}?{urlencode({'next': target})}"}


def _options() -> provider.Settings:
    options = provider.configured()
    if options is None:
        raise Http404
    return options


def _let_in(request: Request, options: provider.Settings, claimed: Claimed) -> None:
    with waiting_at_most():
        user = people.of_subject(options.issuer, claimed.subject, claimed.name)
        if claimed.groups is not None:
            people.join(user, claimed.groups, options.groups)
        login(request, user, MODEL_BACKEND)
    log.info("signed in by the provider", user=user.get_username())


def _cookie() -> str:
    return f"{'__Host-' if settings.SESSION_COOKIE_NAME.startswith('__Host-') else ''}toril_provider"
