"""Samples of the research agents: an answer in a chat, and research that runs long. They call nothing outside."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from queues.systems.faults import HTTPError, ValidationError, share, strike, too_many_requests
from queues.systems.records import records
from queues.systems.sample import sample
from queues.systems.steps import line, step

#: stage: about how many seconds of `RESEARCH_S`, and what the log says.
RESEARCH_STAGES = {
    "planning": (1.0, "breaking the question into parts"),
    "literature_search": (2.5, "searching three libraries"),
    "reading": (3.0, "reading the twelve best matches"),
    "hypotheses": (2.0, "comparing what they claim"),
    "analysis": (2.5, "checking figures against their sources"),
    "writing": (1.5, "writing the report"),
}
#: How long a sample's research takes; `TORIL_SYSTEMS_RESEARCH_S` says another time. The real thing: 1,800 and more.
RESEARCH_S = sum(seconds for seconds, _ in RESEARCH_STAGES.values())


@sample("chat")
async def chat(job: Any) -> dict[str, Any]:
    """A sample: answers a message of a conversation in three stages."""
    message = job.data["message"]
    if not message.strip():
        raise ValidationError("message is empty")
    await step(job, "context", 10, 0.15, f"loading conversation {job.data['conversationId']}")
    await step(job, "thinking", 40, 0.8, "asking the model")
    strike(
        job,
        TimeoutError("model did not answer within 30 s"),
        too_many_requests("api.anthropic.com"),
        KeyError("choices"),
        ValidationError("conversationId is not one of this user's"),
    )
    if job.attempt > 1:
        await job.log(line("WARN", f"attempt {job.attempt} of {job.attempts}"))
    await step(job, "writing", 90, 0.25, "writing the answer")
    answer = f"In short: {message.rstrip('?.')} depends on two things, and both are measured below."
    await _answered(job, answer)
    return {
        "messageId": job.data["messageId"],
        "answer": answer,
        "tokens": 200 + int(900 * share(job.id, "tokens")),
    }


@sample("deep-research")
async def research(job: Any) -> dict[str, Any]:
    """A sample of a job that runs long: six stages, each with its progress, sources kept by the way."""
    read = 4 + int(9 * share(job.id, "papers"))
    done = 0.0
    stretched = float(getattr(settings, "TORIL_SYSTEMS_RESEARCH_S", RESEARCH_S)) / RESEARCH_S
    for stage, (seconds, text) in RESEARCH_STAGES.items():
        percent = int(100 * done / RESEARCH_S)
        await step(job, stage, percent, seconds * stretched, text)
        await _found(job, {"stage": stage, "percent": percent})
        done += seconds
        if stage == "reading":
            await job.log(line("INFO", f"{read} of 12 papers read"))
            if read < 8:
                await job.log(line("WARN", f"{12 - read} papers are behind a paywall"))
            strike(
                job,
                TimeoutError("api.semanticscholar.org did not answer within 60 s"),
                HTTPError(502, "Bad Gateway", "api.openalex.org"),
            )
    report = f"# {job.data['message']}\n\nWhat {read} papers agree on, and where they part."
    await _answered(job, report)
    return {"messageId": job.data["messageId"], "report": report, "sources": read}


async def _answered(job: Any, answer: str) -> None:
    """Written first, told then: who hears of it fetches it."""
    await records().answered(job, answer)
    await job.notify("message:updated", messageId=job.data["messageId"])


async def _found(job: Any, state: dict[str, Any]) -> None:
    if (state_id := await records().found(job, state)) is not None:
        await job.notify("state:updated", stateId=state_id)
