"""What happens in the five systems, made up: each happening is the jobs that it adds. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from queues.moments import iso
from queues.systems import texts
from queues.systems.faults import MADE_UP

#: Premium users' scans go first: lower runs earlier, and jobs without a priority would run before both.
PREMIUM, STANDARD = 1, 5


@dataclass(frozen=True, slots=True)
class Offer:
    """One job to add. `options` are keyword arguments of the producer's `add`; with `children` it waits for them.

    Its data says that it is made up: what nobody asked for may fail as real services make real jobs fail.
    """

    queue: str
    name: str
    data: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    children: tuple[Offer, ...] = ()

    def __post_init__(self) -> None:
        self.data[MADE_UP] = True


Happening = Callable[[Random], list[Offer]]


def page_scraped(random: Random) -> list[Offer]:
    """The scraper read one page of somebody's documentation."""
    host, path, method, parameters = random.choice(texts.ENDPOINTS)
    page = random.randrange(10_000)
    return [
        Offer("curl-generation", "generate", {
            "pageId": page, "projectId": random.randrange(1, 40), "title": path.strip("/").replace("/", " "),
            "url": f"https://{host}{path}", "method": method, "parameters": parameters,
        }),
        Offer("embeddings-generation", "embed", {
            "pageId": page, "model": "text-embedding-3-small",
            "text": " ".join(random.choices(texts.SENTENCES, k=random.randint(3, 14))),
        }),
    ]  # fmt: skip


def site_scraped(random: Random) -> list[Offer]:
    """The scraper read a whole site: its index is made when the examples of its pages are."""
    pages = [page_scraped(random) for _ in range(random.randint(3, 7))]
    examples = tuple(replace(page[0], options={"on_failure": "ignore_dependency"}) for page in pages)
    index = replace(pages[0][1], name="index-site")
    return [replace(index, children=examples)]


def paper_added(random: Random) -> list[Offer]:
    """Somebody added a paper by its arXiv URL; half of them want the model's reading too."""
    title, authors = random.choice(texts.PAPERS)
    arxiv = f"{random.randint(19, 26)}{random.randint(1, 12):02}.{random.randrange(20_000):05}"
    data = {"paperId": identifier(random), "arxivId": arxiv, "url": f"https://arxiv.org/abs/{arxiv}"}
    offers = [
        Offer("author-extraction", "extract-authors", {**data, "authorLine": authors}),
        Offer("institution-extraction", "extract-institutions", data),
        Offer("auto-tagging", "tag", {**data, "title": title}),
    ]
    if random.random() < 0.5:
        offers.append(Offer("llm-processing", "summarise-paper", {**data, "title": title}))
    return offers


def message_sent(random: Random) -> list[Offer]:
    """A user wrote in a conversation."""
    name = random.choices(("chat", "follow-up", "title"), (6, 3, 1))[0]
    return [Offer("chat", name, conversation(random, random.choice(texts.MESSAGES)))]


def research_asked(random: Random) -> list[Offer]:
    """A user asked for research; one in five wants it later."""
    later = {"delay_ms": random.randint(30, 300) * 1_000} if random.random() < 0.2 else {}
    return [Offer("deep-research", "deep-research", conversation(random, random.choice(texts.QUESTIONS)), later)]


def scan_ordered(random: Random) -> list[Offer]:
    """A customer ordered a scan under an id of the service's own; premium customers go first."""
    scan_id = f"scan-{random.getrandbits(40):010x}"
    plan = random.choices(("premium", "standard"), (1, 3))[0]
    data = {"scanId": scan_id, "url": random.choice(texts.SITES), "userId": user(random), "plan": plan}
    options: dict[str, Any] = {"job_id": scan_id, "priority": PREMIUM if plan == "premium" else STANDARD}
    if random.random() < 0.1:
        options = {"job_id": scan_id, "delay_ms": random.randint(20, 180) * 1_000}
    return [Offer("scan", "scan", data, options)]


def text_submitted(random: Random) -> list[Offer]:
    """An API customer submitted a text; most want to be told by webhook of an earlier one."""
    kind = random.choice(("summarize", "classify", "sentiment", "translate", "extract"))
    priority = {"priority": random.randint(1, 10)} if random.random() < 0.15 else {}
    text = random.choice(texts.CUSTOMER_TEXTS)
    offers = [Offer("ai-jobs", kind, {"apiKeyId": random.randrange(1, 200), "text": text}, priority)]
    if random.random() < 0.6:
        offers.append(webhook(random))
    return offers


def webhook(random: Random) -> Offer:
    data = {
        "deliveryId": identifier(random),
        "url": random.choice(texts.HOOKS),
        "event": random.choices(("job.succeeded", "job.failed"), (9, 1))[0],
        "payload": {"id": random.randrange(100_000), "type": "SUMMARIZE", "tokenUsed": random.randint(50, 900)},
    }
    delay = {"delay_ms": random.randint(2, 20) * 1_000} if random.random() < 0.08 else {}
    return Offer("webhooks", "deliver", data, delay)


def conversation(random: Random, message: str) -> dict[str, Any]:
    return {
        "userId": user(random),
        "conversationId": identifier(random),
        "messageId": identifier(random),
        "message": message,
        "authMethod": random.choice(("jwt", "api-key")),
        "requestedAt": iso(datetime.now(UTC)),
    }


def identifier(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def user(random: Random) -> str:
    return f"user_{random.randrange(16**6):06x}"


#: happening → how often, among all; about what the queues' rate limits let through at two jobs per second.
OFTEN: dict[Happening, float] = {
    page_scraped: 0.33,
    site_scraped: 0.01,
    paper_added: 0.07,
    message_sent: 0.13,
    research_asked: 0.008,
    scan_ordered: 0.06,
    text_submitted: 0.5,
}

#: Happenings that now and then come many at once, and how many at least and at most.
PILE_UPS: dict[Happening, tuple[int, int]] = {
    page_scraped: (15, 60),
    text_submitted: (20, 80),
    message_sent: (5, 12),
}
