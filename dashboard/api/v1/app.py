"""The API as one value: what all its routes share. What each does stands in a module per noun.

How a noun joins (see `queues.py` for one that does):

1. `router = Router(tags=["workers"])` from `ninja` in `dashboard/api/v1/workers.py`, and a line in `ROUTERS` below.
2. A view is `async def list_workers(request: Ask, …) -> Page[Worker]`, with `response=Page[Worker]` and
   `operation_id="listWorkers"` in its decorator; of its docstring the first line is the summary and the rest the
   description. Models are pydantic's `BaseModel` (of what is sent: `Sent`, which refuses unknown fields). Names in a
   path are `{segment:queue}`: a parameter called `queue` is checked for sight before the view runs, and a slash in it
   may come as `%2F`.
3. `connection_of(request)` is the connection (`?connection=`; the document gets that parameter by itself, for every
   operation). Rights: `request.grants.on(queue).require("job.retry")`.
4. Raise TorilErrors: they become problem details with their status, and every answer and error that they may lead to is
   declared by itself (`document.py`). What a view answers beside 200 stands in `response={201: …}`, answered by
   `Status(201, value)`.
5. Lists take `cursor: Cursor = None, limit: Limit = USUAL` and answer `Page` (`paging.part_of` for what is whole in
   memory, `paging.sealed` and `opened` else). What is read has an ETag by itself, and 304 where nothing changed.
6. Adding things twice is prevented by `idempotency.once`.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from dashboard.api.v1 import flows, jobs, metrics, operations, problems, queues, schedulers, search, workers
from dashboard.api.v1 import jobs_acting as _acting  # noqa: F401
from dashboard.api.v1 import jobs_adding as _adding  # noqa: F401
from dashboard.api.v1.bounds import Bounded
from dashboard.api.v1.etags import stamped
from dashboard.api.v1.rendering import Compact
from queues.errors import TorilError
from queues.version import VERSION

#: Prefix → router. What shares a path shares a router: `jobs_adding` and `jobs_acting` add theirs to that of `jobs`.
ROUTERS = (
    ("/queues", queues.router),
    ("/queues", jobs.router),
    ("/search", search.router),
    ("/operations", operations.router),
    ("/queues", schedulers.of_queue),
    ("/schedulers", schedulers.router),
    ("/queues", flows.of_queue),
    ("/flows", flows.router),
    ("/workers", workers.router),
    ("/queues", metrics.of_queue),
    ("", metrics.router),
)


class V1(NinjaAPI):
    """Answers with tags; lets errors go on to the one place that knows HTTP (`dashboard.errors`)."""

    def create_response(
        self,
        request: HttpRequest,
        data: Any,
        *,
        status: int | None = None,
        temporal_response: HttpResponse | None = None,
    ) -> HttpResponse:
        return stamped(
            request, super().create_response(request, data, status=status, temporal_response=temporal_response)
        )

    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        if isinstance(exc, ValidationError):
            return problems.unusable(exc.errors)
        # A body that could not be read: Ninja wraps what the parser says.
        if isinstance(exc, HttpError) and isinstance(exc.__cause__, TorilError):
            raise exc.__cause__
        raise exc

    def get_openapi_operation_id(self, operation: Any) -> str:
        return str(operation.view_func.__name__)


def made() -> V1:
    api = V1(
        title="Toril",
        version=VERSION,
        description="Queues and jobs of BullMQ: looked at, added to, steered and searched.",
        urls_namespace="v1",
        openapi_url=None,
        docs_url=None,
        renderer=Compact(),
        parser=Bounded(),
    )
    for prefix, router in ROUTERS:
        api.add_router(prefix, router)
    return api


api = made()
