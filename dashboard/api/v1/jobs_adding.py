"""Adding jobs: one, or many at once; with an Idempotency-Key never twice."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja.responses import Status
from pydantic import BaseModel, Field

from dashboard.api.v1.asking import Ask, IdempotencyKey, Sent, connection_of
from dashboard.api.v1.declared import may
from dashboard.api.v1.idempotency import Once, once
from dashboard.api.v1.jobs import router
from dashboard.api.v1.queues import QueueName
from queues.actions.adding import NO_DATA, Added, add_job
from queues.actions.adding_many import add_many
from queues.errors import InvalidInput
from queues.options import get_options

Whole = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Backoff(Sent):
    """How long a failed attempt waits; `type` may be one that the queue's worker knows."""

    type: str = Field(max_length=100, examples=["exponential", "fixed"])
    delay_ms: Whole
    jitter: float = Field(default=0, ge=0, le=1)

    def plain(self) -> dict[str, Any]:
        return {"type": self.type, "delay": self.delay_ms, "jitter": self.jitter}


class Keep(Sent):
    """How many ended jobs stay in Redis, and how long; null is no bound, `count` 0 keeps none."""

    age_s: Whole | None = None
    count: Whole | None = None

    def plain(self) -> int | dict[str, int]:
        if self.age_s is None:
            return -1 if self.count is None else self.count
        return {"age": self.age_s} | ({} if self.count is None else {"count": self.count})


class Deduplication(Sent):
    """While a job with this id is unfinished (or for `ttl_ms`), another with it is not added."""

    id: str = Field(min_length=1, max_length=1024)
    ttl_ms: int | None = Field(default=None, ge=1, le=2**53 - 1)
    extend: bool = False
    replace: bool = False
    keep_last_if_active: bool = False

    def plain(self) -> dict[str, Any]:
        return {name: value for name, value in self.model_dump().items() if value is not None and value is not False}


class Options(Sent):
    """What is absent comes from the queue's settings, else BullMQ's defaults."""

    job_id: str | None = Field(default=None, min_length=1, max_length=1024, description="No whole number, no “:”.")
    delay_ms: Whole | None = None
    priority: int | None = Field(default=None, ge=0, le=2_097_151, description="1 before 2; 0: before all.")
    attempts: Whole | None = None
    backoff: Backoff | None = None
    remove_on_complete: Keep | None = None
    remove_on_fail: Keep | None = None
    lifo: bool | None = None
    keep_logs: Whole | None = None
    stack_trace_limit: Whole | None = None
    deduplication: Deduplication | None = None

    def given(self) -> dict[str, Any]:
        """Under the names and in the shapes of the producer, as the record keeps them too."""
        told = {name: getattr(self, name) for name in self.model_fields_set}
        shaped = (Backoff, Keep, Deduplication)
        return {
            name: value.plain() if isinstance(value, shaped) else value
            for name, value in told.items()
            if value is not None
        }


class NewJob(Sent):
    """A job to be added."""

    name: str = Field(min_length=1, max_length=1024, examples=["summarize"])
    data: Any = Field(default_factory=dict, description="Any JSON; {} where it is absent.", examples=[{"text": "…"}])
    options: Options = Field(default_factory=Options)

    def wanted(self, ids: Once, number: int | None = None) -> tuple[str, Any, dict[str, Any]]:
        given = self.options.given()
        if "job_id" not in given and (own := ids.job_id(number)):
            given["job_id"] = own
        return self.name, self.data if "data" in self.model_fields_set else NO_DATA, given


class NewJobs(Sent):
    """Jobs to be added, all or (where one cannot be) none."""

    jobs: list[NewJob] = Field(min_length=1, max_length=10_000)


class AddedJob(BaseModel):
    """`is_new` false: a job of that id, or one that holds that deduplication id, was there, and nothing was added."""

    queue: str
    id: str
    is_new: bool
    message: str


class AddedJobs(BaseModel):
    """`ids` in the order of the jobs; where one was there already, its id."""

    queue: str
    ids: list[str]


@router.post(
    "/{segment:queue}/jobs",
    response={200: AddedJob, 201: AddedJob},
    operation_id="addJob",
    openapi_extra=may(422),
)
async def post_job(
    request: Ask, queue: QueueName, sent: NewJob, idempotency_key: IdempotencyKey = None
) -> Status[Any] | HttpResponse:
    """Add a job

    201 where it was added, 200 where it was there already. With an `Idempotency-Key` a job that names no id gets one
    that follows from the key, so that it is added once even where an answer was lost.
    """
    request.grants.on(queue).require("job.add")
    connection = connection_of(request)

    async def act(ids: Once) -> tuple[int, BaseModel]:
        added = await _added(request, connection, queue, *sent.wanted(ids))
        told = AddedJob(queue=queue, id=added.id, is_new=added.is_new, message=added.done.message)
        return 201 if added.is_new else 200, told

    return await once(request, act)


async def _added(request: Ask, connection: str, queue: str, name: str, data: Any, options: dict[str, Any]) -> Added:
    job_id, done = await add_job(request.grants.actor, connection, queue, name, data, options)
    return Added(job_id, done.affected > 0, done)


@router.post(
    "/{segment:queue}/batches",
    response={201: AddedJobs},
    operation_id="addJobs",
    openapi_extra=may(422),
)
async def post_jobs(
    request: Ask, queue: QueueName, sent: NewJobs, idempotency_key: IdempotencyKey = None
) -> Status[Any] | HttpResponse:
    """Add many jobs

    All are checked before the first is written. At most `TORIL["API"]["MOST_JOBS"]` (1,000) with one request.
    """
    request.grants.on(queue).require("job.add")
    connection, most = connection_of(request), get_options().api.most_jobs
    if len(sent.jobs) > most:
        raise InvalidInput(_("At most %(most)s jobs with one request.") % {"most": f"{most:,}"})

    async def act(ids: Once) -> tuple[int, BaseModel]:
        wanted = [job.wanted(ids, at) for at, job in enumerate(sent.jobs)]
        return 201, AddedJobs(queue=queue, ids=await add_many(request.grants.actor, connection, queue, wanted))

    return await once(request, act)
