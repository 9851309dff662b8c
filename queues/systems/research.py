"""Samples of the research agents: an answer in a chat, and research that runs long. They call nothing outside."""

from __future__ import annotations

from typing import Any

from queues.systems.faults import HTTPError, ValidationError, share, strike, too_many_requests
from queues.systems.sample import sample
from queues.systems.steps import line, step

#: stage: about how many seconds, and what the log says. The real thing takes half an hour and more.
RESEARCH_STAGES = {
    "planning": (1.0, "breaking the question into parts"),
    "literature_search": (2.5, "searching three libraries"),
    "reading": (3.0, "reading the twelve best matches"),
    "hypotheses": (2.0, "comparing what they claim"),
    "analysis": (2.5, "checking figures against their sources"),
    "writing": (1.5, "writing the report"),
}


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
    return {
        "messageId": job.data["messageId"],
        "answer": f"In short: {message.rstrip('?.')} depends on two things, and both are measured below.",
        "tokens": 200 + int(900 * share(job.id, "tokens")),
    }


@sample("deep-research")
async def research(job: Any) -> dict[str, Any]:
    """A sample of a job that runs long: six stages, each with its progress, sources kept by the way."""
    read = 4 + int(9 * share(job.id, "papers"))
    done = 0.0
    total = sum(seconds for seconds, _ in RESEARCH_STAGES.values())
    for stage, (seconds, text) in RESEARCH_STAGES.items():
        await step(job, stage, int(100 * done / total), seconds, text)
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
    return {
        "messageId": job.data["messageId"],
        "report": f"# {job.data['message']}\n\nWhat {read} papers agree on, and where they part.",
        "sources": read,
    }
