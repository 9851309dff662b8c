"""Samples of the paper library: what a new arXiv paper sets in motion. They call nothing outside."""

from __future__ import annotations

import re
from typing import Any

from queues.systems.faults import HTTPError, ValidationError, share, strike, too_many_requests
from queues.systems.sample import sample
from queues.systems.steps import line, step, step_in_thread

ARXIV_ID = re.compile(r"\d{4}\.\d{4,5}(v\d+)?")
INSTITUTIONS = ("ETH Zürich", "Universidade de São Paulo", "Tsinghua University", "MIT", "Université Paris-Saclay")
TAGS = ("retrieval", "agents", "evaluation", "optimisation", "proteins", "graph learning", "robotics", "privacy")


def arxiv_id(job: Any) -> str:
    """The paper's id. Raises ValidationError for what arXiv would not know."""
    given = str(job.data["arxivId"])
    if not ARXIV_ID.fullmatch(given):
        raise ValidationError(f"{given!r} is not an arXiv id")
    return given


def some_of(names: tuple[str, ...], *seed: object) -> list[str]:
    """One or more of the names, always the same for the same seed."""
    return [name for name in names if share(name, *seed) < 0.35] or [names[int(share(*seed) * len(names))]]


@sample("institution-extraction")
async def extract_institutions(job: Any) -> dict[str, Any]:
    """A sample: reads the first page and names the institutions on it."""
    paper = arxiv_id(job)
    await step(job, "download", 10, 0.3, f"fetching https://arxiv.org/pdf/{paper}")
    strike(job, TimeoutError("arxiv.org did not answer within 20 s"), too_many_requests("export.arxiv.org"))
    await step(job, "read", 50, 0.4, "reading the first page")
    found = some_of(INSTITUTIONS, paper)
    if len(found) == 1:
        await job.log(line("WARN", "only one institution found; the affiliation block may be an image"))
    await step(job, "match", 90, 0.1, f"matching {len(found)} names")
    return {"paperId": job.data["paperId"], "institutions": found}


@sample("llm-processing")
async def process_with_model(job: Any) -> dict[str, Any]:
    """A sample, slow on purpose: section by section through a language model."""
    paper = arxiv_id(job)
    sections = ("abstract", "method", "results")
    for number, section in enumerate(sections):
        await step(job, section, 100 * number // len(sections), 2.0, f"asking the model about the {section}")
        if section == "method":
            strike(job, TimeoutError("model did not answer within 30 s"), KeyError("choices"))
    tokens = 1_800 + int(4_000 * share(paper, "tokens"))
    await job.log(line("INFO", f"{tokens} tokens used"))
    return {"paperId": job.data["paperId"], "summary": f"What {paper} claims, shows and leaves open.", "tokens": tokens}


@sample("auto-tagging")
async def tag(job: Any) -> dict[str, Any]:
    """A sample: chooses tags by title."""
    await step(job, "compare", 20, 0.2, f"comparing “{job.data['title']}” with {len(TAGS)} tags")
    strike(job, HTTPError(500, "Internal Server Error", "tagger.internal"), KeyError("embedding"))
    tags = some_of(TAGS, job.data["title"])
    await step(job, "store", 90, 0.05, f"storing {len(tags)} tags")
    return {"paperId": job.data["paperId"], "tags": tags}


@sample("author-extraction")
def extract_authors(job: Any) -> dict[str, Any]:
    """A sample in a thread: splits the author line into people."""
    step_in_thread(job, "split", 20, 0.15, f"reading “{job.data['authorLine']}”")
    strike(job, TimeoutError("api.crossref.org did not answer within 15 s"), too_many_requests("api.orcid.org"))
    authors = [name.strip() for name in re.split(r",| and ", job.data["authorLine"]) if name.strip()]
    if len(authors) > 6:
        job.log(line("WARN", f"{len(authors)} authors; only the first six are looked up"))
    step_in_thread(job, "look up", 60, 0.2, f"looking up {len(authors[:6])} people")
    return {"paperId": job.data["paperId"], "authors": authors}
