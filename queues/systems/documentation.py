"""Samples of the documentation generator: curl examples and embeddings for scraped pages. They call nothing outside."""

from __future__ import annotations

from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from queues.systems.faults import HTTPError, ValidationError, share, strike, too_many_requests
from queues.systems.sample import sample
from queues.systems.steps import line, step, step_in_thread

DIMENSIONS = 8
CHUNK_CHARS = 400


@sample("curl-generation")
def generate_curl(job: Any) -> dict[str, Any]:
    """A sample: writes a curl call for one endpoint of a scraped page, in a thread as a plain function does."""
    url, method = job.data["url"], job.data["method"]
    step_in_thread(job, "parse", 10, 0.05, f"reading {url}", status="processing")
    strike(
        job,
        TimeoutError(f"{urlsplit(url).hostname} did not answer within 10 s"),
        too_many_requests("api.anthropic.com"),
        KeyError("parameters"),
    )
    step_in_thread(job, "generate", 50, 0.25, f"writing a {method} example", status="processing")
    if not job.data.get("parameters"):
        job.log(line("WARN", "the page lists no parameters; the example has none"))
    step_in_thread(job, "check", 90, 0.05, "checking the example's quoting", status="processing")
    return {"url": url, "curl": curl(method, url, job.data.get("parameters") or {}), "status": "completed"}


def curl(method: str, url: str, parameters: dict[str, str]) -> str:
    fields = "".join(f" \\\n  -d {quote(f'{name}={value}')}" for name, value in parameters.items())
    return f'curl -X {method} {quote(url)} \\\n  -H "Authorization: Bearer $TOKEN"{fields}'


@sample("embeddings-generation")
async def generate_embeddings(job: Any) -> dict[str, Any]:
    """A sample: cuts a page's text in chunks and makes one small vector of each."""
    text = job.data["text"]
    chunks = [text[at : at + CHUNK_CHARS] for at in range(0, len(text), CHUNK_CHARS)]
    await step(job, "start", 0, 0.05, f"{len(chunks)} chunks from page {job.data['pageId']}", status="start")
    strike(
        job,
        too_many_requests("api.example.com"),
        HTTPError(503, "Service Unavailable", "api.example.com"),
        ValidationError("the page has no text after its markup is removed"),
    )
    vectors = []
    for number, chunk in enumerate(chunks, 1):
        await step(job, f"chunk {number}", 100 * number // len(chunks), 0.08, f"embedding {len(chunk)} characters")
        vectors.append([round(2 * share(chunk, axis) - 1, 4) for axis in range(DIMENSIONS)])
    return {"pageId": job.data["pageId"], "model": job.data["model"], "vectors": vectors, "status": "complete"}
