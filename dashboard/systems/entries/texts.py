"""System E: `/v1/jobs/<type>` takes a text, `/v1/jobs/<id>` answers what became of it, `/v1/jobs` lists one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.request import Request
from dashboard.systems import asking
from dashboard.systems.adding import add, new_id
from dashboard.systems.models import Status, TextJob
from dashboard.systems.settling import settle
from queues.errors import InvalidInput, NotFound
from queues.producer import MAX_PRIORITY
from queues.systems.questions import DEFAULT_LANGUAGE, KINDS, is_language

QUEUE = "ai-jobs"
KNOWN = ("text", "language", "priority", "webhookUrl")
STATUS = {
    Status.QUEUED: "QUEUED",
    Status.PROCESSING: "PROCESSING",
    Status.COMPLETED: "SUCCEEDED",
    Status.FAILED: "FAILED",
}


@asking.whole
async def ask(request: Request, kind: str, fields: Mapping[str, Any]) -> TextJob:
    """Add the job. `kind` is one of KINDS."""
    text = asking.text_of(fields, "text", asking.LONGEST_TEXT)
    language = fields.get("language") or DEFAULT_LANGUAGE
    if not is_language(language):
        raise InvalidInput(_("“language” must be a language code such as fr or pt-BR."))
    webhook = asking.address_of(fields, "webhookUrl", "")
    row = TextJob(
        queue=QUEUE,
        job_id=new_id(),
        owner=request.identity.caller,
        kind=kind,
        text=text,
        webhook_url=webhook,
        owes_webhook=bool(webhook),
    )
    data = {"text": text, **({"language": language} if kind == "translate" else {}), **asking.own_of(request)}
    await add(request, row, kind, data, priority=asking.whole_of(fields, "priority", 0, MAX_PRIORITY, 0))
    return row


async def _post(request: Request, name: str) -> HttpResponse:
    if name not in KINDS:
        raise NotFound(_("There is no type “%(kind)s”; there are %(known)s.")
                       % {"kind": name[:100], "known": ", ".join(KINDS)})  # fmt: skip
    fields = asking.fields_of(request)
    asking.require_known(fields, KNOWN)
    row = await ask(request, name, fields)
    return asking.told(shown(row), 201, f"/v1/jobs/{row.job_id}")


async def _get(request: Request, name: str) -> HttpResponse:
    row = await TextJob.objects.filter(job_id=name, queue=QUEUE, owner=request.identity.caller).afirst()
    if row is None:
        raise NotFound(_("You have no job “%(job)s”.") % {"job": name[:100]})
    await settle([row])
    return asking.told(shown(row))


async def own(request: Request, limit: int, offset: int) -> list[TextJob]:
    """The newest first, as their jobs are now."""
    mine = TextJob.objects.filter(owner=request.identity.caller).order_by("-pk")
    rows = [row async for row in mine[offset : offset + limit]]
    await settle(rows)
    return rows


async def _listed(request: Request) -> HttpResponse:
    limit, offset = asking.page_of(request)
    total = await TextJob.objects.filter(owner=request.identity.caller).acount()
    rows = await own(request, limit, offset)
    return asking.told({"jobs": [shown(row) for row in rows], "total": total, "limit": limit, "offset": offset})


def shown(row: TextJob) -> dict[str, Any]:
    """The row as programs know it; `error` only where it failed."""
    result = row.result if isinstance(row.result, dict) else {}
    cost = row.cost_cents if row.cost_cents is not None else result.get("costCents")
    told = {
        "id": row.job_id,
        "status": STATUS[Status(row.status)],
        "type": row.kind.upper(),
        "input": {"text": row.text},
        "output": result.get("output", row.result) if row.status == Status.COMPLETED else None,
        "tokenUsed": row.token_used if row.token_used is not None else result.get("tokenUsed"),
        "costCents": None if cost is None else float(cost),
        "createdAt": asking.moment(row.created_at),
        "completedAt": asking.moment(row.completed_at),
    }
    return told | ({"error": row.error_message} if row.status == Status.FAILED else {})


jobs = asking.entry(GET=_listed)
job = asking.entry(POST=_post, GET=_get)
