"""The made-up happenings: jobs as the five systems' own programs would add them."""

import json
import re
from collections import Counter
from random import Random

import pytest

from queues.systems.faults import MADE_UP
from queues.systems.happenings import OFTEN, PILE_UPS, Happening, Offer
from queues.systems.settings import QUEUES


def many(happening: Happening, count: int = 300) -> list[Offer]:
    random = Random(7)
    return [offer for _ in range(count) for offer in happening(random)]


ALL = [offer for happening in OFTEN for offer in many(happening)]


def of(queue: str) -> list[Offer]:
    return [offer for offer in ALL if offer.queue == queue]


def test_every_queue_of_the_five_systems_gets_jobs() -> None:
    assert {offer.queue for offer in ALL} == set(QUEUES)


def test_all_data_is_json() -> None:
    for offer in ALL:
        json.dumps(offer.data, allow_nan=False)


def test_the_same_seed_makes_up_the_same_jobs() -> None:
    def made() -> list[tuple[str, object]]:
        return [(offer.name, offer.data.get("conversationId") or offer.options) for h in OFTEN for offer in many(h)]

    assert made() == made()


def test_chat_and_research_jobs_carry_what_their_socket_needs() -> None:
    fields = {"userId", "conversationId", "messageId", "message", "authMethod", "requestedAt"}
    assert all(set(offer.data) - {MADE_UP} == fields for offer in of("chat") + of("deep-research"))


def test_a_sites_index_waits_for_the_examples_of_its_pages() -> None:
    sites = [offer for offer in of("embeddings-generation") if offer.name == "index-site"]
    assert sites
    assert all(3 <= len(site.children) <= 7 for site in sites)
    assert {child.queue for site in sites for child in site.children} == {"curl-generation"}


def test_papers_have_arxiv_ids() -> None:
    assert all(re.fullmatch(r"\d{4}\.\d{5}", offer.data["arxivId"]) for offer in of("author-extraction"))


def test_scans_have_ids_of_their_own_and_premium_goes_first() -> None:
    scans = of("scan")
    assert all(re.fullmatch(r"scan-[0-9a-f]{10}", offer.options["job_id"]) for offer in scans)
    assert len({offer.options["job_id"] for offer in scans}) == len(scans)
    priorities = {
        plan: {o.options.get("priority") for o in scans if o.data["plan"] == plan} for plan in ("premium", "standard")
    }
    assert max(p for p in priorities["premium"] if p) < min(p for p in priorities["standard"] if p)


def test_some_jobs_are_delayed_and_no_delay_is_negative() -> None:
    delays = {queue: [o.options["delay_ms"] for o in of(queue) if "delay_ms" in o.options] for queue in QUEUES}
    assert all(delays[queue] for queue in ("deep-research", "scan", "webhooks"))
    assert all(delay > 0 for queue in QUEUES for delay in delays[queue])


def test_the_platform_gets_all_five_job_types() -> None:
    assert {offer.name for offer in of("ai-jobs")} == {"summarize", "classify", "sentiment", "translate", "extract"}


@pytest.mark.parametrize("queue", [name for name, options in QUEUES.items() if "limiter" in options])
def test_two_jobs_a_second_fit_the_rate_limits_in_the_long_run(queue: str) -> None:
    random = Random(3)
    happenings = random.choices(list(OFTEN), list(OFTEN.values()), k=20_000)
    added = Counter(offer.queue for happening in happenings for offer in happening(random))
    per_second = 2.0 * added[queue] / added.total()
    limiter = QUEUES[queue]["limiter"]
    assert per_second < 1_000 * limiter["max"] / limiter["duration"]


def test_pile_ups_are_happenings_too_and_fit_a_screen_or_two() -> None:
    assert set(PILE_UPS) <= set(OFTEN)
    assert all(1 < least < most <= 100 for least, most in PILE_UPS.values())
