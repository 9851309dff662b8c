"""Samples of the AI platform: five kinds of text work and webhook deliveries. They call nothing outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from queues.systems.faults import HTTPError, ValidationError, share, strike, too_many_requests
from queues.systems.sample import sample
from queues.systems.steps import line, step

#: A sample's price: hundredths of a cent per token.
PRICE = 0.02
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
    """What the five kinds share: check the text, take the model's time, count tokens and cost."""
    text = job.data["text"]
    if not text.strip():
        raise ValidationError("text is empty")
    await step(job, "queued for model", 10, 0.05, f"{len(text)} characters")
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
    await job.log(line("INFO", f"{tokens} tokens"))
    return {"output": output, "tokenUsed": tokens, "costCents": round(tokens * PRICE, 2)}


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


@sample("webhooks")
async def deliver(job: Any) -> dict[str, Any]:
    """A sample: behaves as if it posted the payload to its URL."""
    host = urlsplit(job.data["url"]).hostname
    await step(job, "sign", 10, 0.05, f"signing {job.data['event']}")
    strike(
        job,
        HTTPError(500, "Internal Server Error", str(host)),
        TimeoutError(f"{host} did not answer within 10 s"),
        HTTPError(410, "Gone", str(host)),
    )
    await step(job, "deliver", 50, 0.15, f"POST {job.data['url']}")
    return {"deliveryId": job.data["deliveryId"], "status": 200, "tookMs": 40 + int(400 * share(job.id, "took"))}
