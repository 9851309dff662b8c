"""A scheduler as this API tells it and takes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from django.utils.translation import gettext as _
from ninja import Path
from pydantic import BaseModel, Field

from dashboard.api.v1.asking import Sent
from dashboard.api.v1.paging import Page
from dashboard.api.v1.values import masked_value, plain
from dashboard.grants import Grants
from queues.errors import InvalidInput
from queues.lookups.scheduler import Scheduler as Row
from queues.lookups.scheduler import Standing
from queues.lookups.schedulers import LARGEST_TEMPLATE, SchedulerDetail
from queues.masking import MASK, mask_text
from queues.models import KeptScheduler
from queues.producer.checks import data_json
from queues.producer.scheduler import new_schedule, template_options
from queues.protocol.codec import parse_json
from queues.protocol.reads.schedulers import Run as Made
from queues.protocol.scheduling import NewSchedule

SchedulerId = Annotated[str, Path(min_length=1, max_length=1024, description="A scheduler's id, percent-encoded.")]
#: The end of the year 9999.
LAST_MS = 253_402_300_799_000
Moment = Annotated[int, Field(ge=0, le=LAST_MS, description="Milliseconds since 1970.")]


class Pause(BaseModel):
    """That it is paused: out of BullMQ, its definition kept here."""

    by: str
    since_ms: int
    until_ms: int | None = Field(description="When it resumes by itself.")
    stays: bool = Field(description="It is taken out again whenever a program registers it.")


class Scheduler(BaseModel):
    """What makes a queue's jobs by the clock: by `every_ms` or by `pattern` (cron). Moments are ms since 1970."""

    connection: str
    queue: str
    id: str
    name: str = Field(description="Of its jobs.")
    every_ms: int | None
    offset_ms: int | None
    pattern: str | None
    tz: str | None
    limit: int | None = Field(description="So many jobs it makes in all.")
    start_ms: int | None
    end_ms: int | None
    iterations: int = Field(description="How many it has made.")
    standing: Standing
    problem: str = Field(description="Why no worker can reckon its next run; empty where one can.")
    next_ms: int | None = Field(description="When it runs next; null where it will not by itself.")
    next_job_id: str | None
    pause: Pause | None


class Run(BaseModel):
    """A job that it made."""

    job_id: str
    state: str = Field(description="Empty: where it is now is not known.")
    due_ms: int
    processed_on_ms: int | None
    finished_on_ms: int | None
    error: str | None = Field(description="Null for whoever may not read what jobs carry.")


class Template(BaseModel):
    """What its jobs are made of, secrets masked; null where it is too large for this answer."""

    data: Any
    options: Any = Field(description="As BullMQ stores them, under its names.")


class WholeScheduler(Scheduler):
    """A scheduler with what it makes."""

    coming_ms: list[int] = Field(description="Its next runs; of a paused one those it would have.")
    runs: list[Run] = Field(description="Its last runs, newest first.")
    template: Template | None = Field(description="Null for whoever may not read what jobs carry.")


class Schedulers(Page[Scheduler]):
    """Of more than `found` schedulers those due next were read."""

    found: int
    total: int


class NewScheduler(Sent):
    """A scheduler to be stored: `every_ms` or `pattern`. Of one that is there, `data` and `options` stay if absent."""

    name: str | None = Field(default=None, min_length=1, max_length=1024, description="Of its jobs; its id, if absent.")
    every_ms: int | None = Field(default=None, ge=1, le=2**53 - 1, examples=[3_600_000])
    offset_ms: int | None = Field(default=None, ge=0, le=2**53 - 1)
    pattern: str | None = Field(
        default=None, min_length=1, max_length=256, description="Cron, with seconds or without."
    )
    tz: str | None = Field(default=None, min_length=1, max_length=64, examples=["Europe/Madrid"])
    limit: int | None = Field(default=None, ge=1, le=2**53 - 1)
    start_ms: Moment | None = None
    end_ms: Moment | None = None
    immediately: bool = Field(default=False, description="Its first job is due now.")
    data: Any = Field(default=None, description="Any JSON; {} where it is absent.")
    options: dict[str, Any] | None = Field(
        default=None, max_length=100, description="Of its jobs, under BullMQ's names or this API's.",
        examples=[{"attempts": 3}],
    )  # fmt: skip

    @property
    def has_template(self) -> bool:
        return "data" in self.model_fields_set or self.options is not None

    def schedule(self, queue: str, scheduler_id: str, stored: SchedulerDetail | None) -> NewSchedule:
        """Checked as code's are. Raises InvalidInput naming what cannot be."""
        was = parse_json(stored.opts) if stored and stored.opts else {}
        known = was if isinstance(was, dict) else {}
        given = self.options if self.options is not None else known
        options = template_options(given, known)
        made = new_schedule(
            queue,
            scheduler_id,
            every_ms=self.every_ms,
            pattern=self.pattern,
            tz=self.tz,
            offset_ms=self._offset_ms(stored),
            limit=self.limit,
            start=_moment(self.start_ms),
            end=_moment(self.end_ms),
            immediately=self.immediately,
            name=self.name or (stored.scheduler.schedule.name or None if stored else None),
            data={},
            options=options.checked,
        )
        return replace(made, data=self._data(stored), stored_options=options.stored if stored else None)

    def _offset_ms(self, stored: SchedulerDetail | None) -> int | None:
        """While the beat is the same its turns stay where they are."""
        was = stored.scheduler.schedule if stored else None
        if self.offset_ms is not None or was is None or not self.every_ms or was.every_ms != self.every_ms:
            return self.offset_ms
        return was.offset_ms if was.offset_ms and was.offset_ms < self.every_ms else None

    def _data(self, stored: SchedulerDetail | None) -> str:
        if "data" not in self.model_fields_set:
            return (stored.data if stored else "") or "{}"
        return data_json(self.data)

    def require_whole(self, stored: SchedulerDetail) -> None:
        """Raises InvalidInput for masks that would be stored, and for a template that cannot be kept as it is."""
        if MASK in data_json([self.data, self.options]):
            sentence = _("The data holds masked values (%(mask)s): send what they stand for.")
            raise InvalidInput(sentence % {"mask": MASK})
        kept = (("data", stored.data_size), ("options", stored.opts_size))
        for name, size in kept:
            if size > LARGEST_TEMPLATE and name not in self.model_fields_set:
                sentence = _("Its %(name)s are too large to be read and kept: send them.")
                raise InvalidInput(sentence % {"name": name})


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def shown(one: Row) -> Scheduler:
    return Scheduler(**_facts(one))


def _facts(one: Row) -> dict[str, Any]:
    rule = one.schedule
    numbers = {name: getattr(rule, name) for name in ("every_ms", "offset_ms", "limit", "start_ms", "end_ms")}
    return {
        **numbers,
        "connection": one.connection,
        "queue": plain(one.queue),
        "id": plain(one.id),
        "name": plain(rule.name),
        "pattern": plain(rule.pattern) or None,
        "tz": plain(rule.tz) or None,
        "iterations": rule.iterations,
        "standing": one.standing,
        "problem": plain(one.problem),
        "next_ms": one.next_ms,
        "next_job_id": plain(one.next_job_id) or None,
        "pause": _pause(one.kept),
    }


def _pause(kept: KeptScheduler | None) -> Pause | None:
    if kept is None:
        return None
    until_ms = None if kept.until is None else int(kept.until.timestamp() * 1000)
    return Pause(by=plain(kept.actor), since_ms=int(kept.since.timestamp() * 1000), until_ms=until_ms, stays=kept.stays)


async def whole(detail: SchedulerDetail, grants: Grants) -> WholeScheduler:
    one = detail.scheduler
    reads = grants.on(one.queue, one.connection).may("job.payload")
    return WholeScheduler(
        **_facts(one),
        coming_ms=[moment.at_ms for moment in detail.coming],
        runs=[_run(made, reads=reads) for made in detail.runs],
        template=await _template(detail) if reads else None,
    )


async def _template(detail: SchedulerDetail) -> Template:
    return Template(data=await masked_value(detail.data), options=await masked_value(detail.opts))


def _run(made: Made, *, reads: bool) -> Run:
    return Run(
        job_id=plain(made.job_id),
        state=made.state,
        due_ms=made.due_ms,
        processed_on_ms=made.processed_on_ms,
        finished_on_ms=made.finished_on_ms,
        error=plain(mask_text(made.reason)) if reads and made.reason else None,
    )
