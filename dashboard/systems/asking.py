"""What a program sent to an entry of the five systems: its body's fields, checked one by one, and who it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from dashboard.api.v1.bounds import Bounded, require_bounded
from dashboard.context import connection_of
from dashboard.links import DEFAULT_CONNECTION
from dashboard.request import Request
from queues.errors import InvalidInput, NotFound
from queues.moments import iso

P = ParamSpec("P")
T = TypeVar("T")
LONGEST_URL, LONGEST_TEXT = 2_000, 100_000
MOST_LISTED = 100


class WrongMethod(InvalidInput):
    code = "method_not_allowed"
    status = 405


def entry(**views: Callable[..., Any]) -> Callable[..., Any]:
    """A view by method: `entry(GET=listed, POST=ask)`. These systems live on the default connection alone."""

    @wraps(next(iter(views.values())))
    async def view(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        wanted = views.get("GET" if request.method == "HEAD" else request.method or "")
        if wanted is None:
            raise WrongMethod(_("This address takes %(methods)s.") % {"methods": ", ".join(views)})
        if connection_of(request) != DEFAULT_CONNECTION:
            raise NotFound(_("The five systems run on the connection “default”."))
        require_bounded(request)
        answer: HttpResponse = await wanted(request, *args, **kwargs)
        return answer

    return view


def whole(ask: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """What is asked for is added whole, though who asked hangs up meanwhile."""

    @wraps(ask)
    async def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.create_task(ask(*args, **kwargs))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise

    return asked


def fields_of(request: Request) -> dict[str, Any]:
    """The body's. Raises NotJson, TooLarge or InvalidInput."""
    found = Bounded().parse_body(request)
    if not isinstance(found, dict):
        raise InvalidInput(_("The body must be a JSON object."))
    return found


def require_known(fields: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises InvalidInput for a field that nobody would read: it was meant to do something."""
    if unknown := sorted(set(fields) - set(known)):
        told = {"field": unknown[0][:100], "known": ", ".join(known)}
        raise InvalidInput(_("There is no field “%(field)s”; known are %(known)s.") % told)


def text_of(fields: Mapping[str, Any], name: str, longest: int, default: str | None = None) -> str:
    """Text with something in it. Raises InvalidInput naming the field."""
    value = fields.get(name, default)
    if default is not None and value in (default, None, ""):
        return default
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(_("“%(field)s” must be a text that is not empty.") % {"field": name})
    if len(value) > longest:
        raise InvalidInput(_("“%(field)s” may have %(most)s characters.") % {"field": name, "most": f"{longest:,}"})
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidInput(_("“%(field)s” holds a character that is no text.") % {"field": name})
    return value


def one_of(fields: Mapping[str, Any], name: str, known: Collection[str], default: str) -> str:
    value = fields.get(name) or default
    if not isinstance(value, str) or value not in known:
        raise InvalidInput(_("“%(field)s” must be one of %(known)s.") % {"field": name, "known": ", ".join(known)})
    return value


def whole_of(fields: Mapping[str, Any], name: str, least: int, most: int, default: int) -> int:
    value = fields.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        told = {"field": name, "least": least, "most": most}
        raise InvalidInput(_("“%(field)s” must be a whole number from %(least)s to %(most)s.") % told)
    return value


def address_of(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """An http or https address with a host. Whether it may be connected to is asked when it is."""
    value = text_of(fields, name, LONGEST_URL, default)
    if value == default:
        return value
    try:
        parts = urlsplit(value)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fine = False
    if not is_fine or value != value.strip():
        raise InvalidInput(_("“%(field)s” must be an http or https address.") % {"field": name})
    return value


def page_of(request: Request) -> tuple[int, int]:
    """`?limit=10&offset=0`."""
    return (
        whole_of(request.GET, "limit", 1, MOST_LISTED, 10),
        whole_of(request.GET, "offset", 0, 1_000_000, 0),
    )


def user_of(request: Request) -> str:
    """Whose job it is, for those who read its data: the user to whom a token is bound, else the caller."""
    return request.identity.own.get("userId") or request.identity.caller


def method_of(request: Request) -> str:
    """How the caller was known, as jobs say it: `session`, `api-key` or `jwt`."""
    return {"user": "session", "key": "api-key"}.get(request.identity.caller.partition(":")[0], "jwt")


def own_of(request: Request) -> dict[str, str]:
    """Fields that bind a job to its caller: events of it are told to nobody else's token."""
    return {"userId": user_of(request), **request.identity.own}


def moment(at: datetime | None) -> str | None:
    """As JavaScript writes it."""
    return iso(at) if at else None


def told(body: Any, status: int = 200, location: str = "") -> HttpResponse:
    return JsonResponse(body, status=status, headers={"Location": location} if location else None)
