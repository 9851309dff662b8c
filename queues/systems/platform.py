"""The AI platform's five kinds of text work: asked of the model at LLM_BASE_URL; without one, samples that say so."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from queues.errors import RateLimitError
from queues.systems import llm, questions
from queues.systems.faults import ValidationError, strike, too_many_requests
from queues.systems.llm_options import LLMOptions, llm_options
from queues.systems.records import Usage, records
from queues.systems.sample import sample
from queues.systems.steps import line, step

#: A sample's price: cents per token.
PRICE = Decimal("0.02")
#: What a sample's usage names as its model.
SAMPLE_MODEL = "sample"
TOPICS = {
    "billing": ("invoice", "refund", "charged", "price", "payment"),
    "shipping": ("parcel", "delivery", "arrived", "courier", "address"),
    "account": ("password", "login", "sign", "account", "email"),
}
GOOD = frozenset("good great love excellent fast thanks perfect happy helpful".split())
BAD = frozenset("bad broken late slow wrong refund terrible angry never missing".split())
GLOSSARY = {
    "the": "le",
    "parcel": "colis",
    "is": "est",
    "late": "en retard",
    "and": "et",
    "thanks": "merci",
    "my": "mon",
}


def words(text: str) -> list[str]:
    return re.findall(r"[\w'’-]+", text.lower())


async def answer(job: Any, work: Callable[[str], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """What the five kinds share: check the text, ask the model, write down what that took."""
    text = job.data["text"]
    if not isinstance(text, str) or not text.strip():
        raise ValidationError("text is empty")
    await step(job, "queued for model", 10, 0.05, f"{len(text)} characters")
    if (options := llm_options()) is not None:
        return await _asked(job, text, options)
    await job.log(line("INFO", "LLM_BASE_URL is not set: a sample answers, which knows a few words"))
    await step(job, "model", 50, seconds, f"running {job.name}")
    strike(
        job,
        too_many_requests("api.example.com"),
        TimeoutError("model did not answer within 30 s"),
        KeyError("choices"),
        ValidationError("output is not the JSON that was asked for"),
    )
    output = work(text)
    tokens = len(words(text)) * 4 // 3 + 40
    return await _told(job, output, Usage(SAMPLE_MODEL, tokens, 0, round(tokens * PRICE, 2)))


async def _asked(job: Any, text: str, options: LLMOptions) -> dict[str, Any]:
    language = job.data.get("language", questions.DEFAULT_LANGUAGE)
    if not questions.is_language(language):
        raise ValidationError("language is no language code such as fr or pt-BR")
    await job.progress({"stage": "model", "percent": 50})
    await job.log(line("INFO", f"asking {options.model} at {options.host}"))
    try:
        answered = await llm.ask(options, questions.messages(job.name, text, language), as_json=True)
    except RateLimitError as limit:
        await job.log(
            line("WARN", f"{options.host} asks to wait {limit.duration_ms / 1_000:g} s; no attempt is counted")
        )
        raise
    try:
        output = questions.output(job.name, text, answered.text)
    except llm.ModelError:
        # It was paid for all the same.
        await records().used(job, answered.usage)
        raise
    return await _told(job, output, answered.usage)


async def _told(job: Any, output: dict[str, Any], usage: Usage) -> dict[str, Any]:
    await records().used(job, usage)
    await job.log(line("INFO", f"{'unknown' if usage.tokens is None else usage.tokens} tokens of {usage.model}"))
    cost = None if usage.cost_cents is None else float(usage.cost_cents)
    return {"output": output, "tokenUsed": usage.tokens, "costCents": cost, "model": usage.model}


@sample("ai-jobs", name="summarize")
async def summarize(job: Any) -> dict[str, Any]:
    """A sample: keeps the first sentence."""
    return await answer(job, summary, 0.6)


@sample("ai-jobs", name="classify")
async def classify(job: Any) -> dict[str, Any]:
    """A sample: counts the words of each topic."""
    return await answer(job, topic, 0.25)


@sample("ai-jobs", name="sentiment")
async def sentiment(job: Any) -> dict[str, Any]:
    """A sample: weighs good words against bad."""
    return await answer(job, mood, 0.2)


@sample("ai-jobs", name="translate")
async def translate(job: Any) -> dict[str, Any]:
    """A sample: translates the seven words it knows."""
    return await answer(job, translation, 0.7)


@sample("ai-jobs", name="extract")
async def extract(job: Any) -> dict[str, Any]:
    """A sample: finds addresses, dates and amounts."""
    return await answer(job, facts, 0.35)


def summary(text: str) -> dict[str, Any]:
    short = re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]
    return {"summary": short, "originalLength": len(text), "summaryLength": len(short)}


def topic(text: str) -> dict[str, Any]:
    scores = {name: sum(word in words(text) for word in hints) for name, hints in TOPICS.items()}
    best = max(scores, key=lambda name: scores[name])
    return {"category": best if scores[best] else "other", "scores": scores}


def mood(text: str) -> dict[str, Any]:
    found = words(text)
    score = sum(word in GOOD for word in found) - sum(word in BAD for word in found)
    return {"sentiment": "positive" if score > 0 else "negative" if score < 0 else "neutral", "score": score}


def translation(text: str) -> dict[str, Any]:
    return {"language": "fr", "text": " ".join(GLOSSARY.get(word, word) for word in words(text))}


def facts(text: str) -> dict[str, Any]:
    return {
        "emails": re.findall(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", text),
        "dates": re.findall(r"\d{4}-\d{2}-\d{2}", text),
        "amounts": re.findall(r"[€$£]\d+(?:\.\d{2})?", text),
    }
