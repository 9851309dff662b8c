"""Lets programs in: who asks, whether that is enough for this address, and never a redirect to sign-in."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponseBase
from django.utils.translation import gettext as _

from dashboard import errors, links
from dashboard.context import connection_of
from dashboard.credentials import paths
from dashboard.credentials.identifying import identify
from dashboard.credentials.identity import NOBODY, Credential, Identity, Kind
from dashboard.credentials.rates import rates
from dashboard.credentials.sessions import Visitor, no_visitor
from dashboard.grants import Grants
from dashboard.request import Next, Request
from dashboard.sign_in.proxies import address_of
from queues.actions.actor import Actor
from queues.errors import Forbidden, TooManyRequests, TorilError, Unauthorized
from queues.options import get_options

#: Whoever reads what `PUBLIC_COUNTS` opens: counts of every queue, and no job.
PUBLIC = Identity(Grants(Actor(None, ""), frozenset({"view"}), only_counts=True), "", Credential(Kind.NOBODY))


async def admitted(request: Request, get_response: Next) -> HttpResponseBase:
    """The view's answer, or why it was not asked."""
    # Only sessions of browsers are carried, and none is kept alive, ended or renewed from here.
    seat(request, no_visitor(), NOBODY)
    try:
        identity = await _who(request)
    except TorilError as error:
        return errors.of(request, error)
    seat(request, no_visitor(), identity)
    if not identity.caller:
        return await get_response(request)
    return await _counted(request, identity, get_response)


async def _counted(request: Request, identity: Identity, get_response: Next) -> HttpResponseBase:
    told = rates.count(identity.caller, identity.rate or get_options().credentials.rate)
    if told.is_over:
        response: HttpResponseBase = errors.of(request, TooManyRequests(told.wait_s))
    elif (refusal := _refusal(request.path_info, identity)) is not None:
        response = errors.of(request, refusal)
    else:
        response = await get_response(request)
    for name, value in told.headers.items():
        response[name] = value
    return response


def seat(request: Request, found: Visitor, identity: Identity) -> None:
    """Sets what views and templates read of who asks."""

    async def auser() -> Any:
        return request.user

    request.session, request.user, request.auser = found.session, found.user, auser
    request.identity = identity
    request.grants = identity.grants.at(_connection(request))


def _connection(request: Request) -> str:
    """What the address says; whether it can be read and there is such a one is its view's question."""
    with suppress(SuspiciousOperation):
        return connection_of(request)
    return links.DEFAULT_CONNECTION


async def _who(request: Request) -> Identity:
    try:
        # A browser’s EventSource sends no header of its own.
        token = request.GET.get("token", "") if request.path_info == paths.EVENTS else ""
        return await identify(request.headers, request.COOKIES, token=token, place=address_of(request))
    except Unauthorized as error:
        return _stranger(request, error)


def _refusal(path: str, identity: Identity) -> Forbidden | None:
    """Why somebody who is known is not let in here."""
    if identity.own and not paths.holds_own(path):
        return Forbidden(_("Who is bound to data of their own may not ask here: it shows everybody's."))
    if not identity.grants.may_see and path not in paths.SELF_GUARDED:
        return Forbidden(_("This credential may not look at any queue."))
    return None


def _stranger(request: Request, error: Unauthorized) -> Identity:
    is_public = request.method in ("GET", "HEAD") and get_options().public_counts
    # Who shows something wrong is told so: it was meant to be more than anybody's.
    if is_public and error.code == "credentials_missing" and paths.opens_counts(request.path_info, request.GET):
        return PUBLIC
    if request.path_info in paths.SELF_GUARDED:
        return NOBODY
    raise error
