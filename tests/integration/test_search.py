"""The index answers as the rows do, newest first, to whoever may see; on both databases."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import transaction

from queues.lookups import search
from queues.lookups.search import Seen
from queues.lookups.search.entries import entry
from queues.mirror import indexing, prune
from queues.mirror.indexing import forget
from queues.mirror.vocabulary import Vocabulary
from queues.models import Job, SearchDocument, SearchText, SearchWord
from queues.options.values import LOCAL_CONNECTION
from tests.searching import HOUR_MS, NOW_MS, all_ids, asked, ids, kept, places, take_in, touch, truly

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

PYTHON_STACK = """Traceback (most recent call last):
  File "/app/shop/jobs.py", line 4, in run
    raise TimeoutError("no answer within 5 s")
TimeoutError: no answer within 5 s"""
NODE_STACK = """TypeError: x is not a function
    at run (/app/shop/jobs.js:4:7)"""
QUERIES = (
    "", "queue:chat", "queue:Chat,mail", "queue:ch*", "-queue:chat", "state:failed", "state:failed,waiting",
    "-state:completed", "name:sendMail", "name:mail", "name:send*", "name:*endma*", "-name:*endma*", 'name:"send mail"',
    "name:noise -state:failed", "id:job-1", "id:job-*", "id:*ob-1*", "error:timeout", "error:TimeoutError",
    'error:"no answer"', 'error:"answer no"', "-error:timeout", '-error:"no answer"', "error:time*", "error:*imeout*",
    "-error:*imeout*", "attempts:3", "attempts:>=2", "attempts:<2", "attempts:>1", "attempts:<=1", "attempts:0",
    "worker:web-3", "worker:web-3:17", "worker:web-*", "worker:web-3:1*", "scheduler:nightly", "connection:default",
    "is:removed", "is:live", "since:2h", "before:2h", "-since:2h", "since:3h before:1h", "data.user.id:42",
    "data.user.id:4*", "data.user.id:*", "-data.user.id:*", "data.user.name:café", 'data.user.name:"Café Noir"',
    "data.items.sku:a-1", "data.items.0.sku:A-1", "data.big:9007199254740993", "data.ok:true", "data.text:hello",
    "hello", '"hello big world"', '"big hello"', "-hello", '-"hello big"', "cafe", "caf*", "CAFÉ", "42", "job-1",
    "*obstru*", "🐂", "timeout hello", "hunter2", "data.password:hunter2", "since:1h,3h", "-since:1h,3h",
    "name:*endma*,noise", "error:*imeou*,boom",
    "queue:chat name:sendMail state:failed data.user.id:42 error:timeout attempts:>=3 since:4h"
    " worker:web-3 -name:noise timeout", "מלך", "naïve", '"100% sure"', "under_score", "it's",
)  # fmt: skip


def corpus() -> None:
    kept("job-1", name="sendMail", state="failed", failed_reason="TimeoutError: no answer\nat once", attempts_made=3,
         processed_by="web-3:17:ab", finished_on_ms=NOW_MS - HOUR_MS, ago_ms=9 * HOUR_MS,
         data={"user": {"id": 42, "name": "Café Noir"}, "items": [{"sku": "A-1"}, {"sku": "b"}]})  # fmt: skip
    kept("job-2", name="noise", state="failed", failed_reason="boom: timeout", attempts_made=1, data={"text": "hello"},
         finished_on_ms=NOW_MS - 3 * HOUR_MS, processed_by="web-30", ago_ms=5 * HOUR_MS)  # fmt: skip
    kept("obstruct", "mail", name="send mail", state="completed", finished_on_ms=NOW_MS, attempts_made=1,
         data={"text": "hello big\nworld", "user": {"id": "42"}, "big": 2**53 + 1}, is_removed=True)  # fmt: skip
    kept(
        "🐂",
        "mail",
        name="été",
        data={"user": {"id": 421}, "ok": True, "password": "hunter2", "deep": {"text": "naïve"}},
    )
    kept("42", "Chat", data="no JSON at all: hello [", scheduler_id="nightly", ago_ms=HOUR_MS, name="under_score")
    kept(
        "x" * 900, "odd 'q' \\ \"", name="a'b\\c\"d", data={"text": "it's 100% sure", "מלך": "מלך"}, ago_ms=2 * HOUR_MS
    )
    kept("", "empty", name="", data="", connection="other", state="active", processed_on_ms=NOW_MS - 60_000)
    take_in()


@pytest.mark.parametrize(
    "seen",
    [
        Seen(),
        Seen(payloads=frozenset()),
        Seen(payloads=places("chat")),
        Seen(queues=places("chat", "mail"), payloads=places("mail")),
        Seen(queues=places("chat"), payloads=places("chat")),
        Seen(queues=frozenset(), payloads=frozenset()),
    ],
    ids=["all", "no payloads", "payloads of one", "two queues, payloads of one", "one queue", "none"],
)
async def test_the_index_says_what_the_rows_say(seen):
    await sync_to_async(corpus)()
    for text in QUERIES:
        expected = await truly(text, seen)
        assert set(await ids(text, seen)) == expected, text
        assert await all_ids(text, seen) == expected, text


async def test_rights_on_thousands_of_queues_are_no_longer_than_a_query_may_be():
    await sync_to_async(corpus)()
    many = places("chat", *(f"queue-{n}" for n in range(2_000)))
    for seen in (
        Seen(queues=many, payloads=many),
        Seen(queues=many | places("mail"), payloads=many),
        Seen(payloads=many),
    ):
        for text in ("hello", "-error:timeout", "state:failed"):
            expected = await truly(text, seen)
            assert (set(await ids(text, seen)), await all_ids(text, seen)) == (expected, expected), text


async def test_any_combination_of_parts_does():
    await sync_to_async(corpus)()
    pick = random.Random(5)
    for _ in range(150):
        text = " ".join(pick.sample(QUERIES[1:], pick.randrange(2, 5)))
        seen = pick.choice([Seen(), Seen(payloads=places("mail")), Seen(queues=places("chat", "Chat"))])
        expected = await truly(text, seen)
        assert set(await ids(text, seen)) == expected, (text, seen)
        assert await all_ids(text, seen) == expected, (text, seen)


async def test_an_error_is_found_by_its_type_though_its_message_does_not_name_it():
    await sync_to_async(kept)("1", failed_reason="no answer within 5 s", stacktrace=json.dumps([PYTHON_STACK]))
    await sync_to_async(kept)("2", failed_reason="x is not a function", stacktrace=json.dumps([NODE_STACK]))
    await sync_to_async(take_in)()
    assert await ids("error:timeout") == await ids("timeouterror answer") == ["1"]
    assert await ids("error:TypeError") == ["2"]
    assert await ids('-error:timeout error:"a function"') == ["2"]
    assert await ids("error:timeout", Seen(payloads=frozenset())) == []


async def test_the_newest_come_first_by_what_last_happened_and_pages_follow_each_other():
    def plant():
        for n in range(120):
            kept(f"j{n}", ago_ms=n * 1000, name="noise" if n % 3 else "work")
        kept("old", ago_ms=99 * HOUR_MS, state="failed", finished_on_ms=NOW_MS + 1)
        take_in()

    await sync_to_async(plant)()
    shown, after = [], None
    while True:
        page = await search.page(asked("-name:noise"), Seen(), after, 7)
        shown += [job.job_id for job in page.jobs]
        assert page.total == (41 if after is None else None)
        if (after := page.after) is None:
            break
    assert shown == ["old", *(f"j{n}" for n in range(0, 120, 3))]
    assert await ids("-name:noise", after="nonsense", size=2) == ["old", "j0"]


async def test_jobs_of_one_moment_all_have_their_place():
    def plant():
        Job.objects.bulk_create(
            [Job(queue="chat", job_id=f"j{n}", timestamp_ms=5, state="waiting", change=n + 1) for n in range(300)]
        )
        # Keys that are a whole turn of the place's bits apart would share one.
        Job.objects.bulk_create(
            [
                Job(pk=(1 << 16) * n + 7, queue="mail", job_id=f"m{n}", timestamp_ms=5, state="waiting", change=900 + n)
                for n in range(1, 25)
            ]
        )
        take_in()

    await sync_to_async(plant)()
    assert len(await all_ids("")) == 324
    assert len(await all_ids("queue:mail")) == 24


async def test_a_row_that_changed_is_found_by_what_it_is_now():
    def plant():
        row = kept("j1", state="active", name="work", processed_on_ms=NOW_MS)
        take_in()
        return row

    row = await sync_to_async(plant)()
    assert await ids("state:active") == ["j1"]
    await sync_to_async(touch)(row, state="failed", failed_reason="boom", finished_on_ms=NOW_MS + 5)
    # The index does not know yet; what it would wrongly show is held against the row.
    assert await ids("state:active") == []
    await sync_to_async(take_in)()
    assert (await ids("state:active"), await ids("error:boom"), await ids("*boo*")) == ([], ["j1"], ["j1"])
    await sync_to_async(forget)([row.pk])
    assert await ids("") == await ids("*boo*") == []
    assert not await SearchDocument.objects.aexists()
    assert not await SearchText.objects.aexists()


async def test_nothing_that_is_masked_is_in_the_index_or_found():
    def plant():
        kept("j1", data={"token": "s3cr3tvalue", "note": "Bearer abcdef0123456789xyz"}, state="failed",
             failed_reason="refused: password=hunter2secret", finished_on_ms=NOW_MS)  # fmt: skip
        take_in()

    await sync_to_async(plant)()
    for text in (
        "s3cr3tvalue",
        "s3cr*",
        "hunter2secret",
        "*unter2se*",
        "abcdef0123456789xyz",
        "data.token:s3cr3tvalue",
    ):
        assert (await ids(text), await all_ids(text)) == ([], set()), text
    assert await ids("error:refused") == ["j1"]
    texts = await SearchText.objects.aget()
    assert "hunter2" not in texts.error


async def test_who_pastes_an_id_finds_the_job_wherever_it_is_or_was():
    def plant():
        kept("8f14e45f-ceea-467f-a8d4-9b1d3c2e7a10", "mail", is_removed=True)
        kept("8f14e45f-ceea-467f-a8d4-9b1d3c2e7a10", "chat", ago_ms=5)
        kept("8F14E45F-CEEA-467F-A8D4-9B1D3C2E7A10", "chat", ago_ms=9)
        kept("another", data={"job": "8f14e45f-ceea-467f-a8d4-9b1d3c2e7a10"})
        take_in()

    await sync_to_async(plant)()
    pasted = "8f14e45f-ceea-467f-a8d4-9b1d3c2e7a10"
    assert [job.queue for job in await search.with_id(pasted, Seen())] == ["mail", "chat"]
    assert [job.queue for job in await search.with_id(pasted, Seen(queues=places("chat")))] == ["chat"]
    assert len(await ids(pasted)) == 4
    assert asked(pasted).pasted == pasted
    assert asked("queue:chat").pasted == ""


async def test_totals_are_exact_until_they_are_said_to_be_at_least():
    def plant():
        Job.objects.bulk_create(
            [
                Job(queue="chat", job_id=f"j{n}", timestamp_ms=NOW_MS + n, state="waiting", change=n + 1)
                for n in range(1200)
            ]
        )
        take_in()

    await sync_to_async(plant)()
    page = await search.page(asked("queue:chat"), Seen())
    assert (page.total, page.is_least, len(page.jobs)) == (1000, True, 50)
    page = await search.page(asked("id:j77*"), Seen(), size=5)
    assert (page.total, page.is_least) == (11, False)
    assert page.searched == "Searched all jobs that are mirrored."


async def test_a_result_costs_the_template_no_question():
    await sync_to_async(corpus)()
    (job,) = (await search.page(asked("data.user.id:42 state:failed"), Seen())).jobs
    assert (job.stacktrace, job.return_value, job.first_error_line) == ("", "", "TimeoutError: no answer")


@sync_to_async
def _pruned_while_terms_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = kept("gone")
    kept("stays")
    make = indexing._made

    def made(jobs: Sequence[Job]) -> list[Any]:
        found = make(jobs)
        with transaction.atomic():
            prune.forget([gone.pk])
        return found

    monkeypatch.setattr(indexing, "_made", made)
    take_in()


async def test_a_row_that_is_pruned_while_its_terms_are_made_leaves_none(monkeypatch):
    await _pruned_while_terms_are_made(monkeypatch)
    (there,) = [row async for row in Job.objects.all()]
    assert [row.job async for row in SearchDocument.objects.all()] == [there.pk]
    assert [row.job async for row in SearchText.objects.all()] == [there.pk]


@sync_to_async
def _learnt_twice() -> None:
    row, words = kept("a", name="letter"), Vocabulary()
    with suppress(RuntimeError), transaction.atomic():
        words.learn([(row, entry(row))])
        raise RuntimeError("the database went away")
    with transaction.atomic():
        words.learn([(row, entry(row))])


async def test_words_of_a_commit_that_failed_are_learnt_when_it_is_tried_again():
    await _learnt_twice()
    assert await SearchWord.objects.filter(kind="name", text="letter").aexists()


@sync_to_async
def _numbered() -> None:
    kept("old")
    kept("here", connection=LOCAL_CONNECTION)
    Job.objects.update(change=0)
    import_module("queues.migrations.0007_mirror").number(apps, None)
    take_in()


async def test_rows_from_before_the_index_are_found_after_the_migration():
    await _numbered()
    assert await ids("") == ["old"]
