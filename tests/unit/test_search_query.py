"""What people type becomes a search or a sentence that names the part which is none; never an error of another kind."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.errors import InvalidInput
from queues.lookups import search
from queues.lookups.search.entries import entry, moment_ms
from queues.lookups.search.expressions import Between, Subject, holds
from queues.lookups.search.fields import leaves
from queues.lookups.search.matches import FTS5, TSQUERY, match
from queues.lookups.search.words import fold, split_words, value, words
from queues.models import Job

NOW_MS = 1_790_000_000_000
JOB = Job(
    queue="chat",
    job_id="system:42",
    state="failed",
    name="sendMail",
    data=json.dumps({"user": {"id": 42, "name": "Café Noir"}, "url": "https://x.example/a"}),
    failed_reason="TimeoutError: no answer from 10.0.0.1",
    timestamp_ms=NOW_MS - 5_000,
    finished_on_ms=NOW_MS - 1_000,
)


def finds(text: str, job: Job = JOB) -> bool:
    return holds(search.parse(text, NOW_MS).root, Subject(job), reads=True)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ('"no end', "The quote before “no end” is not closed."),
        ('name:"no end', "The quote before “no end” is not closed."),
        ("sate:failed", "“sate:” is no field; did you mean “state:”? Put it in quotes to search for the text."),
        ("name:", "“name:” needs a value."),
        ("name: x", "“name:” needs a value."),
        ("state:done", "“state:done”: there is no such state; there are waiting, active, prioritized, delayed, failed,"
         " completed, waiting-children."),
        ("a*b", "“a*b”: a star may stand at the end, or at both; put it in quotes to search for a star."),
        ("ab*", "“ab*”: before the star must stand at least 3 characters."),
        ("*ab*", "“*ab*”: between the stars must stand at least 3 characters."),
        ("attempts:many", "“attempts:many”: it needs a number, as in 3, >=3 or <3."),
        ("attempts:>=100", "“attempts:>=100”: attempts are told apart up to 99."),
        ("since:never", "“since:never”: it needs a span such as 30m, 2h or 7d, or a moment such as 2026-11-23 or"
         " 2026-11-23T14:05."),
        ("data.amount:>5", "“data.amount:>5”: fields of the data are compared as they are written, not as numbers."),
        ("is:big", "“is:big”: it may be one of live, removed, child."),
        ("???", "“???”: there is no letter and no digit in it to search for."),
        ("queue:a,,b", "“queue:a,,b” cannot be read: several values stand as a,b,c, each in quotes if need be."),
        ("x" * 10_240, "A search may have 1,000 characters; this one has 10,240."),
        ("a " * 31, "A search may have 30 parts; this one has 31."),
    ],
)  # fmt: skip
def test_what_cannot_be_read_gets_a_sentence_that_names_it(typed, sentence):
    with pytest.raises(InvalidInput) as raised:
        search.parse(typed, NOW_MS)
    assert str(raised.value).startswith(sentence)


HOSTILE = (
    "'; DROP TABLE toril_job; --", "1 OR 1=1", "NEAR(a b, 2)", "a AND b OR NOT c", "name:x' & !y | z:*", "\\", "' '",
    "{name}: x", "^abc", "(((((", "a:b:c:d", "%s %(x)s %%", "name:\\", "-" * 500, "\x00\x01", "‮evil", "name:'",
    '"\\"', "data.a'b:1", "data.a\\b:'x'", "id:\\*", "error:<script>alert(1)</script>", "a\u2028b", "name:a,b,\"c,d\"",
)  # fmt: skip


@pytest.mark.parametrize("typed", HOSTILE)
def test_what_is_hostile_is_a_text_like_any_other(typed):
    try:
        query = search.parse(typed, NOW_MS)
    except InvalidInput:
        return
    for language in (FTS5, TSQUERY):
        match(query.root, search.Seen(), language)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_search_or_a_sentence(typed):
    try:
        query = search.parse(typed, NOW_MS)
    except InvalidInput:
        return
    assert search.parse(query.text, query.now_ms) == query
    assert search.parse(query.text, query.now_ms).root == query.root
    holds(query.root, Subject(JOB), reads=True)


def test_ids_and_addresses_with_colons_are_texts():
    assert finds("system:42")
    assert finds("https://x.example/a")
    assert search.parse("system:42", NOW_MS).pasted == "system:42"
    assert search.parse('"system:42"', NOW_MS).pasted == "system:42"
    assert search.parse("system:42 x", NOW_MS).pasted == ""


def test_a_search_is_frozen_at_its_moment():
    query = search.parse("since:2h", NOW_MS)
    assert query.root.of == (Between(from_ms=NOW_MS - 7_200_000),)
    assert search.parse("-since:2h", NOW_MS).root.of == (Between(until_ms=NOW_MS - 7_200_000),)
    assert search.parse("before:2026-11-23T14:05+00:00", 0).root.of == (Between(until_ms=1_795_442_700_000),)
    assert (query.text, query.now_ms, query.is_empty) == ("since:2h", NOW_MS, False)
    assert search.parse("  ", NOW_MS).is_empty


def test_who_may_not_read_payloads_finds_nothing_in_them_and_nothing_is_excluded_by_them():
    for text in ("error:timeout", "data.user.id:42", "noir", '"no answer"', "*imeout*", "error:*imeou*", "timeo*"):
        query = search.parse(text, NOW_MS)
        assert holds(query.root, Subject(JOB), reads=True), text
        assert not holds(query.root, Subject(JOB), reads=False), text
        assert holds(search.parse(f"-{text}", NOW_MS).root, Subject(JOB), reads=False), text
    for text in ("sendmail", "name:mail", "system:42", "*ndMai*", "state:failed"):
        assert holds(search.parse(text, NOW_MS).root, Subject(JOB), reads=False), text


def test_terms_are_one_token_to_every_tokenizer():
    odd = Job(
        state="failed",
        queue="a b\tc",
        job_id="x" * 500,
        name="🐂 עברית ‮ \x01",
        data='{"a b": "c d", "k\u00a0": "v\u2028w"}',
    )
    for token in entry(odd).tokens:
        assert token == "".join(token.split())
        assert len(token) < 200
        assert all(char.isalnum() or "!" <= char <= "~" or char == "_" for char in token), token


def test_words_are_folded_alike_wherever_they_come_from():
    assert words("Ångström’s  naïve_Plan, 3.14") == ["angstrom", "s", "naive", "plan", "3", "14"]
    assert split_words("TimeoutError sendMail2") == ["timeouterror", "sendmail2", "timeout", "error", "send", "mail"]
    assert fold("ǅ ﬁ STRASSE ß") == fold("ǆ fi strasse ss")
    assert value("A  b\tC") == "a_b_c"
    assert value("x" * 81).startswith("#")
    assert value("x" * 81) != value("x" * 82)


def test_fields_are_read_from_json_that_is_cut_or_broken_or_deep():
    told = '{"a":{"b":[1,{"c":"x\\u00e9"},NaN,1e999]},"a":null,"d":9007199254740993,"e":{"f":"cut of'
    found = [(leaf.path, leaf.value) for leaf in leaves(told)]
    assert found[:6] == [("a.b", "1"), ("a.b.c", "xé"), ("a.b", "NaN"), ("a.b", "1e999"), ("a", "null"),
                         ("d", "9007199254740993")]  # fmt: skip
    assert len(list(leaves("[" * 100_000 + '"x"'))) == 0
    assert [leaf.value for leaf in leaves("plain words")] == ["plain", "words"]
    list(leaves('"\\' * 50_000))


@pytest.mark.parametrize("field", ["job_id", "name", "processed_by", "scheduler_id", "data", "failed_reason"])
def test_megabytes_become_few_terms(field):
    held = " ".join(f"word{n}" for n in range(100_000))
    job = Job(**{"connection": "c", "queue": "q", "job_id": "1", "state": "failed", "timestamp_ms": 1} | {field: held})
    assert len(entry(job).tokens) < 1_000


def test_the_moment_is_when_something_last_happened():
    assert moment_ms(JOB) == NOW_MS - 1_000
    assert moment_ms(Job(state="active", timestamp_ms=5, processed_on_ms=9, finished_on_ms=7)) == 9
    assert moment_ms(Job(state="waiting", timestamp_ms=5, processed_on_ms=9)) == 5
