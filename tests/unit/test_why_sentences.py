"""Every cause has its clause, and clauses make one sentence."""

from __future__ import annotations

import re
from html import unescape

import pytest

from dashboard.pages.job import why
from queues.lookups.why import Cause, Reason

NOW = 1_800_000_000_000


def said(*reasons: Reason) -> str:
    return unescape(re.sub(r"<[^>]+>", "", str(why.sentence(list(reasons)))))


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    monkeypatch.setattr("dashboard.moments.now_ms", lambda: NOW)


SENTENCES = {
    Cause.BROKEN: (
        Reason(Cause.BROKEN, text="wait is a string."),
        "BullMQ cannot work on this queue: wait is a string.",
    ),
    Cause.LISTLESS: (Reason(Cause.LISTLESS), "No list of the queue holds this job, so no worker will find it."),
    Cause.LOST: (
        Reason(Cause.LOST),
        "Its worker has lost it: the lock is gone, and the next check for stalled jobs takes it back.",
    ),
    Cause.FAILS: (
        Reason(Cause.FAILS, text="stalled too often\nstack"),
        "The worker that takes it will fail it at once.",
    ),
    Cause.CHILDREN: (Reason(Cause.CHILDREN, 4, 9), "Waiting for 4 of 9 children."),
    Cause.DUE: (Reason(Cause.DUE, at_ms=NOW + 7_200_000), "Due in 2 h."),
    Cause.OVERDUE: (
        Reason(Cause.OVERDUE, at_ms=NOW - 180_000),
        "Was due 3 min ago; the next worker that looks moves it.",
    ),
    Cause.BACKOFF: (
        Reason(Cause.BACKOFF, 3, 5, at_ms=NOW + 40_000),
        "Backing off: attempt 3 of 5 starts in 40 s.",
    ),
    Cause.PAUSED: (
        Reason(Cause.PAUSED, text="ana", at_ms=NOW),
        "The queue is paused by ana since 08:00:00 UTC.",
    ),
    Cause.NO_WORKER: (
        Reason(Cause.NO_WORKER, ms=14_200),
        "No live worker serves this queue; the last one was heard 14.2 s ago.",
    ),
    Cause.NO_PROCESSOR: (Reason(Cause.NO_PROCESSOR), "No processor here takes this queue's jobs."),
    Cause.RESTING: (Reason(Cause.RESTING, 3), "All 3 workers take no new jobs."),
    Cause.UNKNOWN_NAME: (Reason(Cause.UNKNOWN_NAME, text="reslove"), "No worker has a processor for “reslove” jobs."),
    Cause.HELD: (Reason(Cause.HELD, ms=3_200), "Held back for 3.2 s by a worker or a person."),
    Cause.LIMITED: (
        Reason(Cause.LIMITED, 100, 100, 3_200, period_ms=60_000),
        "Rate-limited for 3.2 s (100 per minute used).",
    ),
    Cause.CONCURRENCY: (Reason(Cause.CONCURRENCY, 4, 4), "Global concurrency 4 of 4."),
    Cause.BUSY: (Reason(Cause.BUSY, 20, 20), "All 20 slots are busy."),
    Cause.UNSEEN: (
        Reason(Cause.UNSEEN),
        "Redis forbids CLIENT LIST, so whether a worker serves this queue cannot be seen.",
    ),
    Cause.BACKLOG: (Reason(Cause.BACKLOG, 412), "412 jobs are ready."),
    Cause.BEHIND: (
        Reason(Cause.BEHIND, 12_431, ms=372_000),
        "Behind 12,431 jobs, about 6 min 12 s at the present rate.",
    ),
    Cause.NEXT: (Reason(Cause.NEXT), "It is the next to run."),
}


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_its_sentence(cause):
    reason, sentence = SENTENCES[cause]
    assert said(reason) == sentence


def test_several_reasons_are_one_sentence_worst_first():
    reasons = Reason(Cause.PAUSED), Reason(Cause.LIMITED, 5, 5, 900, period_ms=1_000), Reason(Cause.BEHIND, 1)
    assert said(*reasons) == "The queue is paused; rate-limited for 900 ms (5 per second used); behind 1 job."
    assert said() == ""


def test_a_list_too_long_to_walk_is_said_to_be_longer():
    assert said(Reason(Cause.BEHIND, 100_000, is_at_least=True)) == "Behind more than 100,000 jobs."


def test_names_of_others_are_text():
    html = str(why.sentence([Reason(Cause.UNKNOWN_NAME, text="<img src=x>"), Reason(Cause.PAUSED, text="<b>")]))
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html
    assert "<b>" not in html


def test_a_queue_page_tells_a_standstill_once() -> None:
    ready = Reason(Cause.BACKLOG, 7)
    paused, alone = Reason(Cause.PAUSED), Reason(Cause.NO_WORKER)
    heard, busy = Reason(Cause.NO_WORKER, ms=60_000), Reason(Cause.BUSY, 5, 5)
    assert why._untold([paused, ready]) == []
    assert why._untold([alone, ready]) == []
    assert why._untold([paused, alone, ready]) == [alone, ready]
    assert why._untold([heard, ready]) == [heard, ready]
    assert why._untold([busy, ready]) == [busy, ready]
    assert why._untold([ready]) == [ready]
