"""A job's options as a sentence, and what retention does with it."""

from __future__ import annotations

import json

import pytest

from dashboard.pages.job.option_words import in_words, retention
from queues.models import Job

DAY_S = 86_400


@pytest.mark.parametrize(
    ("opts", "said"),
    [
        ({}, "1 attempt"),
        (
            {"attempts": 5, "backoff": {"type": "exponential", "delay": 1000}, "removeOnFail": {"age": 3 * DAY_S}},
            "5 attempts, exponential backoff from 1.0 s, when failed kept 3 d",
        ),
        ({"backoff": 500, "attempts": 2}, "2 attempts, 500 ms between attempts"),
        ({"removeOnComplete": True}, "1 attempt, when completed removed at once"),
        (
            {"removeOnComplete": {"age": 60, "count": 400}},
            "1 attempt, when completed kept 1 min and kept with the newest 400",
        ),
        (
            {"priority": 7, "delay": 60_000, "lifo": True},
            "1 attempt, delayed 1 min, priority 7, before all that wait (lifo)",
        ),
        (
            {"fpof": True, "kl": 20, "stackTraceLimit": 1},
            "1 attempt, the last 1 stack kept, the last 20 log lines kept, fails its parent if it fails",
        ),
        (
            {"attempts": "x", "backoff": [], "removeOnComplete": "x", "delay": 1e400, "kl": None},
            "1 attempt, when completed kept",
        ),
    ],
)
def test_options_are_said_in_words(opts, said):
    assert in_words(Job(opts=json.dumps(opts))) == said


@pytest.mark.parametrize(
    ("state", "opts", "said"),
    [
        ("waiting", {"removeOnComplete": True}, "Removed as soon as it completes."),
        ("completed", {"removeOnComplete": 400}, "Kept until 400 newer jobs have completed."),
        ("failed", {"removeOnFail": {"count": 5}, "removeOnComplete": True}, "Kept until 5 newer jobs have failed."),
        ("completed", {"removeOnComplete": {"age": DAY_S}}, "Kept for 1 d after its end, until another job then ends."),
        (
            "active",
            {"removeOnComplete": {"age": 60, "count": 9}},
            "Kept for 1 min after its end, among the newest 9 at most.",
        ),
        ("completed", {"removeOnComplete": False}, "Kept until somebody removes it."),
        ("completed", {}, "Kept for as long as its worker says: the job itself does not."),
    ],
)
def test_what_retention_does_is_said(state, opts, said):
    assert retention(Job(queue="not-ours", state=state, opts=json.dumps(opts))) == said
