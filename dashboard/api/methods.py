"""Which methods an address takes; any other is told so in the form that its API tells everything."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponseBase
from django.utils.translation import gettext as _

from dashboard import errors
from dashboard.request import Request

View = Callable[..., Any]


def takes(*methods: str) -> Callable[[View], View]:
    """For an async view; where GET is taken HEAD is too, and the server leaves out the body."""
    allowed = (*methods, *(["HEAD"] if "GET" in methods else []))

    def decorate(view: View) -> View:
        @wraps(view)
        async def through(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in allowed:
                answer: HttpResponseBase = await view(request, *args, **kwargs)
                return answer
            told = ", ".join(allowed)
            said = _("This address takes %(methods)s.") % {"methods": told}
            return errors.answer(request, 405, said, "method_not_allowed", {"Allow": told})

        return through

    return decorate
