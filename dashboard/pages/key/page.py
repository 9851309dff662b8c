"""API keys: one's own, and for whoever has the ability those of services and of others. A key is shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.grants import Grants
from dashboard.pages.key import form as key_form
from dashboard.pages.key.form import WORDS, Form
from dashboard.pages.shell.frame import around_of, frame, go, known_connection
from dashboard.request import Request
from queues.actions.keys import Made, key_of, make_key, revoke_key, rotate_key
from queues.errors import Forbidden, InvalidInput, NotFound
from queues.lookups.keys import Key, keys
from queues.options import get_options

SECTION = "settings"
ACTS = ("rotate", "revoke")


@dataclass(frozen=True, slots=True)
class Line:
    """A key, and what whoever looks may do with it."""

    key: Key
    is_own: bool
    may_rotate: bool
    may_revoke: bool

    @property
    def words(self) -> list[str]:
        told = [ability for ability in self.key.abilities if ability in WORDS]
        # Sight goes without saying where there is more.
        return [str(WORDS[ability]) for ability in told if ability != "view" or len(told) == 1]


def line(key: Key, grants: Grants) -> Line:
    is_own = key.owner_id is not None and key.owner_id == grants.actor.user_id
    is_service = key.owner_id is None
    may_rotate = key.revoked_at is None and (is_own or (is_service and grants.may("key.rotate")))
    return Line(key, is_own, may_rotate, key.opens and (is_own or grants.may("key.revoke")))


@require_http_methods(["GET", "HEAD", "POST"])
async def keys_page(request: Request) -> HttpResponse:
    connection = known_connection(request)
    if request.method == "POST":
        return await _act(request, connection)
    lines = await _lines(request.grants)
    panel = _question(request, lines) if request.GET.get("confirm") in ACTS else {}
    if panel and wants_fragment(request):
        return render(request, "key/confirm.html", panel)
    context = {"section": SECTION, "lines": lines, "shows_all": request.grants.may("key.revoke"), **panel}
    return render(request, "key/page.html", frame(await around_of(request, connection), **context))


@require_http_methods(["GET", "HEAD", "POST"])
async def new_page(request: Request) -> HttpResponse:
    """The form; made, the page that shows the key: once."""
    connection = known_connection(request)
    if request.method != "POST":
        return await _form_page(request, connection, Form())
    form = Form.sent(request.POST)
    try:
        made = await make_key(request.grants.actor, form.wanted(request.grants))
    except (InvalidInput, Forbidden) as error:
        return await _form_page(request, connection, form, error)
    return await _made_page(request, connection, made)


async def _lines(grants: Grants) -> list[Line]:
    """One's own; whoever may end others' sees all."""
    return [line(key, grants) for key in await keys(None if grants.may("key.revoke") else grants.actor.user_id or 0)]


def _question(request: Request, lines: list[Line]) -> dict[str, Any]:
    """Raises NotFound for a key that this person does not see, or cannot do this to."""
    verb, asked = request.GET["confirm"], request.GET.get("key", "")
    for each in lines:
        if str(each.key.number) == asked and (each.may_rotate if verb == "rotate" else each.may_revoke):
            hours = get_options().credentials.overlap_hours
            return {"panel": "key/confirm.html", "verb": verb, "line": each, "hours": hours}
    raise NotFound(_("There is no such key, or nothing of this can be done to it."))


async def _act(request: Request, connection: str) -> HttpResponse:
    verb, told = request.POST.get("do", ""), request.POST.get("key", "")
    if verb not in ACTS or not told.isascii() or not told.isdecimal() or len(told) > 15:
        raise InvalidInput(_("Nothing was asked that could be done to a key."))
    number, grants = int(told), request.grants
    await _require(grants, verb, number)
    if verb == "rotate":
        hours = request.POST.get("hours", "")
        overlap = int(hours) if hours.isascii() and hours.isdecimal() and len(hours) < 5 else None
        return await _made_page(request, connection, await rotate_key(grants.actor, number, overlap))
    done = await revoke_key(grants.actor, number)
    return go(request, links.keys_url(connection), done.message)


async def _require(grants: Grants, verb: str, number: int) -> None:
    """One's own, or with the ability; a key of others that is not seen is not there. A new secret is a key to all that
    the old one opened: so nobody gets another person's, or a service's that may more than they.
    """
    key = await key_of(number)
    if key.owner_id is not None and key.owner_id == grants.actor.user_id:
        return
    if not grants.may("key.revoke"):
        raise NotFound(_("There is no API key number %(number)s.") % {"number": number})
    grants.require(f"key.{verb}")
    if verb == "rotate":
        if key.owner_id is not None:
            raise Forbidden(_("Only its owner gets a new secret for a person's key; you can revoke it."))
        key_form.refuse_more_than_held(grants, key.held, tuple(map(str, key.queues)))


async def _form_page(
    request: Request, connection: str, form: Form, error: InvalidInput | Forbidden | None = None
) -> HttpResponse:
    context = {"section": SECTION, **key_form.context(form, request.grants, error)}
    around = frame(await around_of(request, connection), **context)
    return render(request, "key/form_page.html", around, status=error.status if error else 200)


async def _made_page(request: Request, connection: str, made: Made) -> HttpResponse:
    """No browser keeps it (`no-store` is on every page)."""
    context = {"section": SECTION, "made": made, "hours": get_options().credentials.overlap_hours}
    return render(request, "key/made_page.html", frame(await around_of(request, connection), **context))
