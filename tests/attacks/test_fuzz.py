"""What others write and send is parsed without a crash, a hang or a mountain: `bin/bench fuzz` goes on from here."""

from __future__ import annotations

import json
import random
from difflib import SequenceMatcher
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import settings as told
from hypothesis import strategies as st

from dashboard import difference
from dashboard.live import notice
from dashboard.live.facts import Facts, fields_of
from queues.options import reset_options
from queues.protocol import cron, events
from tests.attacks.fuzzed import Findings, mutated
from tests.attacks.parsers import NOW_MS, TARGETS
from tests.attacks.seeds import BOMBS, seeds
from tests.listening import SETTINGS

MANY = 300


@pytest.fixture(autouse=True)
def _tokens_are_checked(settings):
    settings.TORIL = {**settings.TORIL, "CREDENTIALS": SETTINGS["CREDENTIALS"]}
    reset_options()
    yield
    reset_options()


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_parser_or_takes_long(name):
    found = Findings(name)
    for data in (*seeds(), *mutated(random.Random(7), MANY)):
        found.take(data)
    assert not found.faults


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_made_to_cost_more_than_it_is_long_does_not(name):
    found = Findings(name)
    for data in BOMBS:
        found.take(data)
    assert not found.faults


def test_the_last_runs_of_a_pattern_that_is_dense_and_yet_seldom_are_found_by_a_few_looks(monkeypatch):
    looks: list[str] = []
    ask = cron.next_ms
    monkeypatch.setattr(cron, "next_ms", lambda *told, **more: (looks.append(told[0]), ask(*told, **more))[1])
    found = cron.previous("* * * 1 1 *", NOW_MS, 3)
    assert [moment % 86_400_000 for moment in found] == [86_399_000, 86_398_000, 86_397_000]
    assert len(looks) < 200


def test_an_edit_of_lines_that_are_all_alike_is_told_without_matching_each_with_each():
    old, new = "\n".join(["x"] * 650), "\n".join(["x", "y"] * 325)
    ask = SequenceMatcher.find_longest_match
    with mock.patch.object(SequenceMatcher, "find_longest_match", autospec=True, side_effect=ask) as matched:
        assert {line.kind for line in difference.difference(old, new)} <= {"same", "gone", "new", "gap"}
    assert matched.call_count < 20


@pytest.mark.parametrize("progress", [b"\xff", b"NaN", b"1e999", b"[-Infinity]", b"9" * 5_000, b"[" * 100_000])
def test_a_progress_that_no_json_can_say_reaches_its_listeners(progress):
    told = events.entry_event("chat", b"1-0", [b"event", b"progress", b"jobId", b"1", b"data", progress])
    carried = Facts("work", fields_of(b'{"userId": 1e999, "messageId": "a"}', ("userId", "messageId")), 0)
    assert carried.fields == {"messageId": "a"}
    found = notice.notice_of(told, carried)
    assert found is not None
    assert json.loads(found.full.text).get("progress") is None


@pytest.mark.parametrize("name", ["bytes_as_text", "editor", "list_filter", "metric_label", "cursor"])
def test_what_is_read_is_written_again_as_it_was(name):
    @told(max_examples=50, database=None)
    @given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()
