"""System D: a scan has a row with its status, under an id of the caller's own; it may run later, by a clock, or not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.links import DEFAULT_CONNECTION
from dashboard.request import Request
from dashboard.systems import asking
from dashboard.systems.adding import add, require_add
from dashboard.systems.models import Scan, Status, Work
from dashboard.systems.settling import settle
from dashboard.systems.telling import tell_if_owed
from queues.actions.jobs import remove_job
from queues.actions.schedulers import add_scheduler
from queues.actions.workers import cancel_job
from queues.errors import InvalidInput, JobLocked, JobNotFound, NotFound, Refused
from queues.producer.checks import job_id as checked_id
from queues.producer.scheduler import new_schedule
from queues.systems.happenings import PREMIUM, STANDARD

QUEUE = "scan"
PLANS = {"premium": PREMIUM, "standard": STANDARD}
KNOWN = ("url", "plan", "id", "delayMs", "schedule", "webhookUrl")
YEAR_MS = 365 * 86_400_000
LONGEST_ID = 200


@asking.whole
async def ask(request: Request, fields: Mapping[str, Any]) -> Scan:
    """Add a scan: premium users' before the others', `delayMs` later. Raises AlreadyThere for an id that is taken."""
    url, plan = asking.address_of(fields, "url"), asking.one_of(fields, "plan", PLANS, "standard")
    job_id = checked_id("id", asking.text_of(fields, "id", LONGEST_ID, "") or f"scan-{uuid4().hex[:12]}")
    webhook = asking.address_of(fields, "webhookUrl", "")
    row = Scan(
        queue=QUEUE,
        job_id=job_id,
        owner=request.identity.caller,
        url=url,
        plan=plan,
        webhook_url=webhook,
        owes_webhook=bool(webhook),
    )
    data = {"scanId": job_id, "url": url, "plan": plan, **asking.own_of(request)}
    delay_ms = asking.whole_of(fields, "delayMs", 0, YEAR_MS, 0)
    await add(request, row, "scan", data, priority=PLANS[plan], delay_ms=delay_ms)
    return row


async def schedule(request: Request, fields: Mapping[str, Any]) -> str:
    """Let a site be scanned by a clock, `{"everyMs": …}` or `{"pattern": …, "tz": …}`; the scheduler's id."""
    rule = fields["schedule"]
    if not isinstance(rule, dict):
        raise InvalidInput(_("“schedule” must be {everyMs} or {pattern, tz}."))
    asking.require_known(rule, ("everyMs", "pattern", "tz"))
    url, plan = asking.address_of(fields, "url"), asking.one_of(fields, "plan", PLANS, "standard")
    schedule_id = asking.text_of(fields, "id", LONGEST_ID, "") or f"scan-{uuid4().hex[:12]}"
    data = {
        "scanId": schedule_id,
        "url": url,
        "plan": plan,
        "scheduledBy": request.identity.caller,
        "webhookUrl": asking.address_of(fields, "webhookUrl", ""),
        **asking.own_of(request),
    }
    made = new_schedule(
        QUEUE,
        schedule_id,
        every_ms=asking.whole_of(rule, "everyMs", 1_000, YEAR_MS, 0) or None,
        pattern=asking.text_of(rule, "pattern", 200, "") or None,
        tz=asking.text_of(rule, "tz", 100, "") or None,
        offset_ms=None,
        limit=None,
        start=None,
        end=None,
        immediately=False,
        name="scan",
        data=data,
        options={"priority": PLANS[plan]},
    )
    require_add(request, QUEUE)
    request.grants.on(QUEUE).require("scheduler.add")
    await add_scheduler(request.grants.actor, DEFAULT_CONNECTION, QUEUE, made)
    return schedule_id


async def _post(request: Request) -> HttpResponse:
    fields = asking.fields_of(request)
    asking.require_known(fields, KNOWN)
    if "schedule" in fields:
        return asking.told({"scheduleId": await schedule(request, fields)}, 202)
    row = await ask(request, fields)
    return asking.told(shown(row), 202, f"/api/scans/{row.job_id}")


async def _row(request: Request, scan_id: str) -> Scan:
    row = await Scan.objects.filter(queue=QUEUE, job_id=scan_id, owner=request.identity.caller).afirst()
    if row is None:
        raise NotFound(_("You have no scan “%(id)s”.") % {"id": scan_id[:100]})
    return row


async def _get(request: Request, scan_id: str) -> HttpResponse:
    row = await _row(request, scan_id)
    await settle([row])
    return asking.told(shown(row))


async def cancel(request: Request, scan_id: str) -> Scan:
    """A scan that waits is removed, one that runs is ended. Raises Refused where it has ended."""
    row = await _row(request, scan_id)
    request.grants.require_sight(QUEUE)
    request.grants.on(QUEUE).require("job.cancel")
    await settle([row])
    if not row.is_open:
        raise Refused(_("Scan “%(id)s” has ended already.") % {"id": scan_id})
    actor, why = request.grants.actor, _("Cancelled by its owner.")
    try:
        with suppress(JobNotFound):
            await remove_job(actor, DEFAULT_CONNECTION, QUEUE, scan_id)
    except JobLocked:
        await cancel_job(actor, DEFAULT_CONNECTION, QUEUE, scan_id, why)
    changed = {"status": Status.FAILED, "error_message": why, "completed_at": timezone.now()}
    await Work.objects.filter(pk=row.pk).exclude(status=Status.COMPLETED).aupdate(**changed)
    await row.arefresh_from_db()
    await tell_if_owed([row])
    return row


async def _delete(request: Request, scan_id: str) -> HttpResponse:
    return asking.told(shown(await cancel(request, scan_id)))


async def own(request: Request, limit: int, offset: int) -> list[Scan]:
    """The newest first, as their jobs are now."""
    rows = [row async for row in Scan.objects.filter(owner=request.identity.caller).order_by("-pk")[offset:][:limit]]
    await settle(rows)
    return rows


async def _listed(request: Request) -> HttpResponse:
    limit, offset = asking.page_of(request)
    rows = await own(request, limit, offset)
    return asking.told({"scans": [shown(row) for row in rows], "limit": limit, "offset": offset})


def shown(row: Scan) -> dict[str, Any]:
    """The scan as programs know it."""
    return {
        "id": row.job_id,
        "url": row.url,
        "plan": row.plan,
        "status": row.status,
        "result": row.result,
        "errorMessage": row.error_message or None,
        "createdAt": asking.moment(row.created_at),
        "completedAt": asking.moment(row.completed_at),
    }


scans = asking.entry(POST=_post, GET=_listed)
scan = asking.entry(GET=_get, DELETE=_delete)
