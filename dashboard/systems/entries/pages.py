"""System A: each scraped page is a flow: an example call is written for it, and then the page is embedded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.request import Request
from dashboard.systems import asking, owned
from dashboard.systems.adding import add_family, new_id, require_add
from dashboard.systems.models import Page, PageWork, Status
from queues.errors import InvalidInput, NotFound, TorilError
from queues.producer import FlowSpec

CURL, EMBEDDINGS = "curl-generation", "embeddings-generation"
KNOWN = ("url", "title", "text", "method", "parameters")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
MODEL = "text-embedding-3-small"
MOST_PAGES, MOST_PARAMETERS = 100, 50
#: What the two queues' people call the states of their jobs.
CURL_STATUS = {Status.QUEUED: "queued", Status.PROCESSING: "processing", Status.COMPLETED: "completed",
               Status.FAILED: "error"}  # fmt: skip
EMBEDDING_STATUS = {Status.QUEUED: "queued", Status.PROCESSING: "start", Status.COMPLETED: "complete",
                    Status.FAILED: "error"}  # fmt: skip


@asking.whole
async def ask(request: Request, given: Sequence[Any]) -> list[tuple[Page, list[PageWork]]]:
    """Add a flow for each page. All of them are checked before the first is added."""
    if not 1 <= len(given) <= MOST_PAGES:
        raise InvalidInput(_("“pages” must be 1 to %(most)s pages.") % {"most": MOST_PAGES})
    require_add(request, CURL, EMBEDDINGS)
    checked = [_checked(request, fields) for fields in given]
    return [(page, await _add(request, page, text)) for page, text in checked]


def _checked(request: Request, fields: Any) -> tuple[Page, str]:
    if not isinstance(fields, Mapping):
        raise InvalidInput(_("A page must be an object with its “url”."))
    asking.require_known(fields, KNOWN)
    parameters = fields.get("parameters") or {}
    if not isinstance(parameters, dict) or len(parameters) > MOST_PARAMETERS:
        raise InvalidInput(_("“parameters” must be an object of at most %(most)s texts.") % {"most": MOST_PARAMETERS})
    title = asking.text_of(fields, "title", 500, "")
    page = Page(
        owner=request.identity.caller,
        url=asking.address_of(fields, "url"),
        title=title,
        method=asking.one_of(fields, "method", METHODS, "GET"),
        parameters={asking.text_of({"name": name}, "name", 200): asking.text_of(parameters, name, 2_000)
                    for name in parameters},
    )  # fmt: skip
    return page, asking.text_of(fields, "text", asking.LONGEST_TEXT, title or page.url)


async def _add(request: Request, page: Page, text: str) -> list[PageWork]:
    await page.asave(force_insert=True)
    curl, embedding = (
        PageWork(queue=queue, job_id=new_id(), owner=page.owner, page=page) for queue in (CURL, EMBEDDINGS)
    )
    told = {"pageId": str(page.pk), "url": page.url, "title": page.title, **asking.own_of(request)}
    call = {**told, "method": page.method, "parameters": page.parameters}
    # A page without an example is embedded all the same.
    child: FlowSpec = {"name": "generate", "data": call, "on_failure": "ignore_dependency"}
    parent = {**told, "model": MODEL, "text": text}
    try:
        await add_family(request, embedding, "embed", parent, [(curl, child)])
    except TorilError:
        # Where its jobs were refused there is nothing to show of it.
        await Page.objects.filter(pk=page.pk, works__isnull=True).adelete()
        raise
    return [curl, embedding]


async def _post(request: Request) -> HttpResponse:
    fields = asking.fields_of(request)
    is_many = "pages" in fields
    if is_many:
        asking.require_known(fields, ("pages",))
    given = fields["pages"] if is_many else [fields]
    if not isinstance(given, list):
        raise InvalidInput(_("“pages” must be a list."))
    added = [shown(page, works) for page, works in await ask(request, given)]
    return asking.told({"pages": added}, 202) if is_many else asking.told(added[0], 202, f"/api/pages/{added[0]['id']}")


async def _get(request: Request, page_id: UUID) -> HttpResponse:
    found = await owned.one(request, Page, page_id)
    if found is None:
        raise NotFound(_("You have no page “%(id)s”.") % {"id": page_id})
    return asking.told(shown(*found))


async def _listed(request: Request) -> HttpResponse:
    limit, offset = asking.page_of(request)
    pages = [shown(page, works) for page, works in await owned.newest(request, Page, limit, offset)]
    return asking.told({"pages": pages, "limit": limit, "offset": offset})


def shown(page: Page, works: Sequence[PageWork]) -> dict[str, Any]:
    """The page with its example and how many vectors it has."""
    by = {work.queue: work for work in works}
    told: dict[str, Any] = {"id": str(page.pk), "url": page.url, "title": page.title}
    for name, queue, words in (("curl", CURL, CURL_STATUS), ("embedding", EMBEDDINGS, EMBEDDING_STATUS)):
        if (work := by.get(queue)) is not None:
            result = work.result if isinstance(work.result, dict) else {}
            told[name] = {"jobId": work.job_id, "status": words[Status(work.status)]}
            told[name] |= {"errorMessage": work.error_message or None}
            told[name] |= {"example": result.get("curl")} if queue == CURL else {"vectors": _count(result)}
    return told | {"createdAt": asking.moment(page.created_at)}


def _count(result: dict[str, Any]) -> int | None:
    vectors = result.get("vectors")
    return len(vectors) if isinstance(vectors, list) else None


pages = asking.entry(POST=_post, GET=_listed)
page = asking.entry(GET=_get)
