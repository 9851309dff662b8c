"""The form of a scheduler: what it was opened with, what was typed, and the checked scheduler that this makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.choices import choices_of
from dashboard.moments import now_ms
from dashboard.request import Request
from queues.errors import InvalidInput
from queues.lookups.scheduler import beats
from queues.lookups.schedulers import scheduler_detail
from queues.lookups.snapshot import Snapshot
from queues.masking import mask_json
from queues.producer.scheduler import new_schedule, template_options
from queues.protocol import codec, cron
from queues.protocol.cron import Moment
from queues.protocol.scheduling import NewSchedule, Schedule

UNITS = (
    ("ms", gettext_lazy("milliseconds"), 1),
    ("s", gettext_lazy("seconds"), 1_000),
    ("min", gettext_lazy("minutes"), 60_000),
    ("h", gettext_lazy("hours"), 3_600_000),
    ("d", gettext_lazy("days"), 86_400_000),
)
_SIZES = {name: size for name, _label, size in UNITS}
NEXT_SHOWN = 5
#: A template larger than this is not edited in a browser.
LARGEST_EDITED = 64 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """Every field as text. What `is_…_hidden` holds secrets and was not shown."""

    is_new: bool = True
    queue: str = ""
    id: str = ""
    kind: str = "pattern"
    pattern: str = ""
    tz: str = ""
    every: str = ""
    unit: str = "min"
    offset_ms: int | None = None
    limit: str = ""
    start: str = ""
    end: str = ""
    name: str = ""
    data: str = ""
    options: str = ""
    is_data_hidden: bool = False
    is_options_hidden: bool = False
    zone: tzinfo = UTC
    may_read: bool = True

    @classmethod
    def sent(cls, request: Request) -> Form:
        post = request.POST
        texts = ("queue", "id", "pattern", "tz", "every", "limit", "start", "end", "name", "data", "options")
        fields: dict[str, Any] = {name: post.get(name, "").strip() for name in texts}
        is_new = post.get("is_new") == "1"
        # Of one that exists, its address says which.
        fields |= {} if is_new else {"queue": request.GET.get("queue", ""), "id": request.GET.get("id", "")}
        return cls(
            is_new=is_new,
            kind="every" if post.get("kind") == "every" else "pattern",
            unit=post.get("unit", "") if post.get("unit") in _SIZES else "min",
            is_data_hidden=post.get("is_data_hidden") == "1",
            is_options_hidden=post.get("is_options_hidden") == "1",
            zone=zone_of(request),
            may_read=request.grants.on(fields["queue"]).may("job.payload"),
            **fields,
        )

    async def schedule(self, connection: str) -> NewSchedule:
        """Checked as code's are. Raises InvalidInput naming the field, NotFound where what is changed is gone."""
        stored, data, opts = Schedule(id=self.id, name=""), "", ""
        if not self.is_new:
            detail = await scheduler_detail(connection, self.queue, self.id)
            stored, data, opts = detail.scheduler.schedule, detail.data, detail.opts
            if max(detail.data_size, detail.opts_size) > LARGEST_EDITED:
                raise InvalidInput(_("Its template is too large to be edited in a browser."))
        given_data = data if not self.may_read or (self.is_data_hidden and not self.data) else self.data
        given_opts = opts if not self.may_read or (self.is_options_hidden and not self.options) else self.options
        options = template_options(_object(given_opts, _("The options")), _object(opts, _("The options")))
        made = self._rule(stored, options.checked)
        return replace(made, data=_json(given_data or "{}"), stored_options=None if self.is_new else options.stored)

    def _rule(self, stored: Schedule, options: dict[str, Any]) -> NewSchedule:
        is_every = self.kind == "every"
        every_ms = beat(self.every, self.unit) if is_every else None
        offset_ms = stored.offset_ms if is_every and every_ms == stored.every_ms else None
        # The end of one that is over already may stay what it was; only a new one must lie ahead.
        return new_schedule(
            self.queue,
            self.id,
            every_ms=every_ms,
            pattern=None if is_every else self.pattern,
            tz=None if is_every else self.tz or None,
            offset_ms=offset_ms if offset_ms and every_ms and offset_ms < every_ms else None,
            limit=_whole(self.limit, _("The limit")),
            start=moment(self.start, self.zone, _("The start")),
            end=moment(self.end, self.zone, _("The end")),
            immediately=False,
            name=self.name or None,
            data={},
            options=options,
        )


async def opened(request: Request, connection: str, around: Snapshot) -> dict[str, Any]:
    """The form for a new one, or with what is stored. Raises SchedulerNotFound, Forbidden."""
    queue = request.GET.get("queue", "")
    if request.GET["form"] == "add":
        form = Form(queue=queue, tz=str(settings.TIME_ZONE or "UTC"), zone=zone_of(request))
        return context(request, form, around)
    request.grants.require_sight(queue)
    request.grants.on(queue).require("scheduler.edit")
    detail = await scheduler_detail(connection, queue, request.GET.get("id", ""))
    may_read = request.grants.on(queue).may("job.payload")
    form = filled(detail.scheduler.schedule, queue, detail.data, detail.opts, zone_of(request), may_read)
    return context(request, form, around)


def filled(rule: Schedule, queue: str, data: str, opts: str, zone: tzinfo, may_read: bool) -> Form:
    # A mask that is sent back would be stored: what holds a secret is written anew or stays as it is.
    hides_data, hides_options = mask_json(data) != data, mask_json(opts) != opts
    number, unit = _in_units(rule.every_ms)
    return Form(
        is_new=False,
        queue=queue,
        id=rule.id,
        kind="every" if rule.every_ms else "pattern",
        pattern=rule.pattern,
        tz=rule.tz,
        every=number,
        unit=unit,
        limit="" if rule.limit is None else str(rule.limit),
        start=_written(rule.start_ms, zone),
        end=_written(rule.end_ms, zone),
        name=rule.name,
        data=data if may_read and not hides_data else "",
        options=opts if may_read and not hides_options else "",
        is_data_hidden=hides_data,
        is_options_hidden=hides_options,
        zone=zone,
        may_read=may_read,
    )


def context(request: Request, form: Form, around: Snapshot | None, error: str = "") -> dict[str, Any]:
    """Everything scheduler/form.html draws."""
    names = [queue.name for queue in around.queues] if around else []
    query = QueryDict(mutable=True)
    query.update({"kind": form.kind, "pattern": form.pattern, "tz": form.tz, "every": form.every, "unit": form.unit})
    query.update({"limit": form.limit, "start": form.start, "end": form.end})
    return {
        "form": form,
        "form_error": error,
        "queues": [name for name in names if request.grants.on(name).may("scheduler.add")],
        "units": UNITS,
        "zones": sorted(available_timezones()),
        "zone_name": str(form.zone),
        **preview(query, form.zone),
    }


def preview(query: QueryDict, zone: tzinfo = UTC) -> dict[str, Any]:
    """The next runs of what is being typed, or why there are none; nothing for what is still empty."""
    try:
        start_ms, end_ms = (_ms(moment(query.get(name, ""), zone, name)) for name in ("start", "end"))
        if query.get("kind") == "every":
            rule = Schedule(id="", name="", every_ms=beat(query.get("every", ""), query.get("unit", "min")))
            turns = beats(replace(rule, start_ms=start_ms), [], now_ms(), NEXT_SHOWN)
            return {"rule": rule, "moments": [Moment(at) for at in turns if end_ms is None or at <= end_ms]}
        pattern, tz = query.get("pattern", "").strip(), query.get("tz", "").strip()
        if not pattern:
            return {"rule": None, "moments": []}
        found = cron.upcoming(pattern, now_ms(), NEXT_SHOWN, start_ms=start_ms, end_ms=end_ms, tz=tz)
        return {"rule": Schedule(id="", name="", pattern=pattern, tz=tz), "moments": found}
    except InvalidInput as error:
        is_empty = query.get("kind") == "every" and not query.get("every")
        return {"rule": None, "moments": [], "preview_error": "" if is_empty else str(error)}


def zone_of(request: Request) -> tzinfo:
    """In which the form's moments are written: the one this browser chose, else UTC, and the form says which."""
    try:
        return ZoneInfo(choices_of(request).zone or "UTC")
    except (KeyError, ValueError, OSError):
        return UTC


def beat(text: str, unit: str) -> int:
    """Milliseconds from a number and its unit. Raises InvalidInput."""
    try:
        every_ms = float(text.replace(",", ".")) * _SIZES.get(unit, 60_000)
    except ValueError:
        raise InvalidInput(_("“Every” must be a number.")) from None
    if not 1 <= every_ms < codec.LARGEST or every_ms != int(every_ms):
        raise InvalidInput(_("“Every” must come to whole milliseconds, one at least."))
    return int(every_ms)


def moment(text: str, zone: tzinfo, field: str) -> datetime | None:
    """As <input type="datetime-local"> writes it, on the form's clock. Raises InvalidInput."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError:
        raise InvalidInput(_("%(field)s is no date and time.") % {"field": field}) from None


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def _written(ms: int | None, zone: tzinfo) -> str:
    try:
        return "" if ms is None else datetime.fromtimestamp(ms / 1000, zone).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return ""


def _in_units(every_ms: int | None) -> tuple[str, str]:
    if not every_ms:
        return "", "min"
    name, size = next((name, size) for name, _label, size in reversed(UNITS) if every_ms % size == 0)
    return str(every_ms // size), name


def _whole(text: str, field: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidInput(_("%(field)s must be a whole number.") % {"field": field})
    return int(text)


def _json(text: str) -> str:
    """As it was typed: numbers keep their digits. Raises InvalidInput."""
    if not codec.is_json(text):
        raise InvalidInput(_("The data is not JSON."))
    return text


def _object(text: str, field: str) -> dict[str, Any]:
    found = codec.parse_json(text) if text else {}
    if not isinstance(found, dict):
        raise InvalidInput(_("%(field)s must be a JSON object.") % {"field": field})
    return found
