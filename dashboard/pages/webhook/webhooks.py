"""Webhooks: all that one may see, and a new one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, QueryDict
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.drawing import render
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.pages.webhook.sight import here, is_seen, queues_of, require
from dashboard.pages.webhook.words import KIND_WORDS, Line
from dashboard.request import Request
from queues.delivery import steering
from queues.delivery.steering import Made
from queues.delivery.wishes import Wish, wish
from queues.errors import InvalidInput
from queues.lookups import webhooks as lookup
from queues.lookups.mirror_state import leads
from queues.models.webhook import KINDS
from queues.options import get_options

SECTION = "webhooks"
DEFAULT_KINDS = ("job.failed",)


@require_safe
async def webhooks_page(request: Request) -> HttpResponse:
    connection = known_connection(request)
    require(request.grants)
    rows = [row for row in await lookup.endpoints(here(connection)) if is_seen(request.grants, row)]
    lines = [Line(row, await lookup.standing(row.pk, await queues_of(request.grants, row))) for row in rows]
    context = {"section": SECTION, "lines": lines, "leads": await leads()}
    return render(request, "webhook/list_page.html", frame(await around_of(request, connection), **context))


@require_http_methods(["GET", "HEAD", "POST"])
async def new_page(request: Request) -> HttpResponse:
    """The form; made, the page that shows the secret: once."""
    connection = known_connection(request)
    require(request.grants)
    if request.method != "POST":
        return await form_page(request, connection, blank())
    try:
        made = await steering.make(request.grants.actor, here(connection), wish_of(request.POST))
    except InvalidInput as error:
        return await form_page(request, connection, typed(request.POST), error)
    return await secret_page(request, connection, made)


async def form_page(
    request: Request, connection: str, form: dict[str, Any], error: InvalidInput | None = None, line: Line | None = None
) -> HttpResponse:
    kinds = [(kind, KIND_WORDS[kind], kind in form["kinds"]) for kind in KINDS]
    options = get_options().webhooks
    context = {"section": SECTION, "form": form, "kinds": kinds, "form_error": error, "line": line, "asks": options}
    around = frame(await around_of(request, connection), **context)
    return render(request, "webhook/form_page.html", around, status=error.status if error else 200)


async def secret_page(request: Request, connection: str, made: Made) -> HttpResponse:
    """Never kept by a browser; reloading it would make another, which the browser asks about."""
    context = {"section": SECTION, "made": made, "line": Line(made.endpoint, lookup.Standing())}
    response = render(request, "webhook/secret_page.html", frame(await around_of(request, connection), **context))
    response["Cache-Control"] = "no-store"
    return response


def wish_of(form: QueryDict) -> Wish:
    """Raises InvalidInput."""
    told = typed(form)
    return wish(
        told["name"], told["url"], told["kinds"], told["queues"], told["names"], told["data"], told["with_payload"]
    )


def typed(form: QueryDict) -> dict[str, Any]:
    texts = {name: form.get(name, "") for name in ("name", "url", "queues", "names", "data")}
    return {**texts, "kinds": form.getlist("kinds"), "with_payload": form.get("with_payload") == "1"}


def blank() -> dict[str, Any]:
    texts = dict.fromkeys(("name", "url", "queues", "names", "data"), "")
    return {**texts, "kinds": DEFAULT_KINDS, "with_payload": False}


def filled(line: Line) -> dict[str, Any]:
    row = line.row
    texts = {name: "\n".join(getattr(line, name)) for name in ("queues", "names", "data")}
    return {**texts, "name": row.name, "url": row.url, "kinds": line.kinds, "with_payload": row.with_payload}
