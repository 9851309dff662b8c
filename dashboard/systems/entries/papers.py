"""System B: a paper is added by its arXiv address; four queues read it, each on its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.request import Request
from dashboard.systems import asking, owned
from dashboard.systems.adding import add, new_id, require_add
from dashboard.systems.models import Paper, PaperWork
from queues.errors import InvalidInput, NotFound

#: queue → what its jobs are called.
JOBS = {
    "author-extraction": "extract-authors",
    "institution-extraction": "extract-institutions",
    "auto-tagging": "tag",
    "llm-processing": "summarise-paper",
}
#: What of a queue's result the paper is shown with.
FOUND = {
    "author-extraction": "authors",
    "institution-extraction": "institutions",
    "auto-tagging": "tags",
    "llm-processing": "summary",
}
KNOWN = ("url", "title", "authors")
ADDRESS = re.compile(
    r"https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/(\d{4}\.\d{4,5}(?:v\d+)?)(?:\.pdf)?/?", re.IGNORECASE
)
LONGEST_TITLE, LONGEST_AUTHORS = 500, 10_000


@asking.whole
async def ask(request: Request, fields: Mapping[str, Any]) -> tuple[Paper, list[PaperWork]]:
    """Add the paper, and a job to each queue. Where one cannot be added its row says so, and the error is raised."""
    address = ADDRESS.fullmatch(asking.text_of(fields, "url", asking.LONGEST_URL).strip())
    if address is None:
        raise InvalidInput(_("“url” must be a paper's address, as in https://arxiv.org/abs/2401.01234."))
    arxiv_id = address[1]
    paper = Paper(
        owner=request.identity.caller,
        arxiv_id=arxiv_id,
        url=f"https://arxiv.org/abs/{arxiv_id}",
        title=asking.text_of(fields, "title", LONGEST_TITLE, f"arXiv:{arxiv_id}"),
        author_line=asking.text_of(fields, "authors", LONGEST_AUTHORS, ""),
    )
    require_add(request, *JOBS)
    await paper.asave()
    data = {"paperId": str(paper.pk), "arxivId": arxiv_id, "url": paper.url, "title": paper.title}
    data |= {"authorLine": paper.author_line, **asking.own_of(request)}
    works = []
    for queue, name in JOBS.items():
        row = PaperWork(queue=queue, job_id=new_id(), owner=paper.owner, paper=paper)
        await add(request, row, name, data)
        works.append(row)
    return paper, works


async def _post(request: Request) -> HttpResponse:
    fields = asking.fields_of(request)
    asking.require_known(fields, KNOWN)
    paper, works = await ask(request, fields)
    return asking.told(shown(paper, works), 202, f"/api/papers/{paper.pk}")


async def _get(request: Request, paper_id: UUID) -> HttpResponse:
    found = await owned.one(request, Paper, paper_id)
    if found is None:
        raise NotFound(_("You have no paper “%(id)s”.") % {"id": paper_id})
    return asking.told(shown(*found))


async def _listed(request: Request) -> HttpResponse:
    limit, offset = asking.page_of(request)
    papers = [shown(paper, works) for paper, works in await owned.newest(request, Paper, limit, offset)]
    return asking.told({"papers": papers, "limit": limit, "offset": offset})


def shown(paper: Paper, works: list[PaperWork]) -> dict[str, Any]:
    """The paper with what was found so far, and where each job is."""
    found = {}
    for work in works:
        result = work.result if isinstance(work.result, dict) else {}
        found[FOUND[work.queue]] = result.get(FOUND[work.queue])
    jobs = {
        work.queue: {"id": work.job_id, "status": work.status, "errorMessage": work.error_message or None}
        for work in works
    }
    return {
        "id": str(paper.pk),
        "arxivId": paper.arxiv_id,
        "url": paper.url,
        "title": paper.title,
        **found,
        "jobs": jobs,
        "createdAt": asking.moment(paper.created_at),
    }


papers = asking.entry(POST=_post, GET=_listed)
paper = asking.entry(GET=_get)
