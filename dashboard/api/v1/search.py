"""The search for programs: jobs of all queues, live and past, and how a search may go on."""

from __future__ import annotations

from typing import Annotated

from ninja import Query, Router
from pydantic import BaseModel

from dashboard.api.v1.asking import Ask, asker, connection_of
from dashboard.api.v1.job_shapes import Jobs
from dashboard.api.v1.paging import USUAL, Cursor, Limit
from dashboard.api.v1.searching import searched
from dashboard.seeing import seen_by
from queues.lookups import search
from queues.lookups.crowd import few

router = Router(tags=["search"])


class Suggestion(BaseModel):
    """`text` is the whole search with this suggestion taken; `kind` says what was added."""

    text: str
    label: str
    kind: str


@router.get("", response=Jobs, operation_id="searchJobs")
async def search_jobs(
    request: Ask,
    q: Annotated[
        str, Query(min_length=1, max_length=1000, description='`queue:chat state:failed data.user.id:42 "…"`')
    ],
    cursor: Cursor = None,
    limit: Limit = USUAL,
) -> Jobs:
    """Search

    Jobs of every queue and connection that the caller sees, newest first; also those that Redis has no longer. The
    language is that of the search page.
    """
    connection_of(request)
    return await searched(request, q, cursor, limit)


@router.get("/suggestions", response=list[Suggestion], operation_id="suggestSearch")
async def suggest_search(
    request: Ask, q: Annotated[str, Query(max_length=1000, description="What is typed so far.")] = ""
) -> list[Suggestion]:
    """Suggestions

    How a search may go on: fields, queues, names, workers and paths that the caller may see.
    """
    connection_of(request)
    async with few(asker(request), "suggest"):
        found = await search.suggest(q.replace("\0", ""), await seen_by(request.grants))
    return [Suggestion(text=one.text, label=one.label, kind=one.kind) for one in found]
