"""The five systems' queues, compared figure by figure with what their teams run today."""

import pytest

from queues.errors import ConfigurationError
from queues.options import QueueOptions, load, queue_overrides
from queues.systems.settings import QUEUES

DAY, WEEK = 86_400, 604_800

#: queue: concurrency, (starts, per ms), attempts, (backoff, ms), completed (age s, count), failed (age s, count).
#: The first six leave delay and retention open; those figures are ours.
TABLE = {
    "curl-generation": (3, (5, 1_000), 3, ("exponential", 1_000), (DAY, 1_000), (WEEK, 5_000)),
    "embeddings-generation": (5, (10, 1_000), 3, ("exponential", 1_000), (DAY, 1_000), (WEEK, 5_000)),
    "institution-extraction": (2, (10, 60_000), 3, ("exponential", 1_000), (DAY, 1_000), (WEEK, 5_000)),
    "llm-processing": (1, (5, 60_000), 3, ("exponential", 1_000), (DAY, 1_000), (WEEK, 5_000)),
    "auto-tagging": (3, (20, 60_000), 3, ("exponential", 1_000), (DAY, 1_000), (WEEK, 5_000)),
    "author-extraction": (1, None, 3, ("exponential", 1_000), (DAY, 1_000), (WEEK, 5_000)),
    "chat": (5, (10, 60_000), 3, ("exponential", 1_000), (3_600, None), (DAY, None)),
    "deep-research": (3, (3, 300_000), 2, ("exponential", 5_000), (DAY, None), (WEEK, None)),
    "scan": (2, (5, 60_000), 3, ("exponential", 1_000), (DAY, 1_000), (WEEK, None)),
    "ai-jobs": (5, None, 3, ("exponential", 2_000), (3_600, None), (WEEK, None)),
    "webhooks": (5, None, 5, ("exponential", 2_000), (3_600, None), (WEEK, None)),
}


def figures(options: QueueOptions) -> tuple[object, ...]:
    limiter, backoff = options.limiter, options.backoff
    done, failed = options.remove_on_complete, options.remove_on_fail
    return (
        options.concurrency,
        limiter and (limiter.max, limiter.duration_ms),
        options.attempts,
        backoff and (backoff.type, backoff.delay_ms),
        done and (done.age_s, done.count),
        failed and (failed.age_s, failed.count),
    )


def loaded(environ: dict[str, str]) -> dict[str, QueueOptions]:
    return dict(load({"QUEUES": queue_overrides(QUEUES, environ)}).queues)


def test_the_queues_are_those_of_the_five_systems() -> None:
    assert set(QUEUES) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_each_queue_has_its_teams_settings(name: str) -> None:
    assert figures(loaded({})[name]) == TABLE[name]


@pytest.mark.parametrize(
    ("variable", "queue"),
    [
        ("CHAT_QUEUE_CONCURRENCY", "chat"),
        ("DEEP_RESEARCH_QUEUE_CONCURRENCY", "deep-research"),
        ("AI_JOBS_QUEUE_CONCURRENCY", "ai-jobs"),
    ],
)
def test_concurrency_comes_from_the_environment_and_touches_that_queue_alone(variable: str, queue: str) -> None:
    changed = loaded({variable: "17"})
    assert changed[queue].concurrency == 17
    assert {name: figures(options) for name, options in changed.items() if name != queue} == {
        name: row for name, row in TABLE.items() if name != queue
    }


@pytest.mark.parametrize(
    ("variable", "queue", "duration_ms"),
    [
        ("CHAT_RATE_LIMIT_PER_MINUTE", "chat", 60_000),
        ("DEEP_RESEARCH_RATE_LIMIT_PER_5MIN", "deep-research", 300_000),
        ("CURL_GENERATION_RATE_LIMIT_PER_SECOND", "curl-generation", 1_000),
        ("WEBHOOKS_RATE_LIMIT_PER_HOUR", "webhooks", 3_600_000),
    ],
)
def test_rate_limits_come_from_the_environment(variable: str, queue: str, duration_ms: int) -> None:
    limiter = loaded({variable: "7"})[queue].limiter
    assert limiter is not None
    assert (limiter.max, limiter.duration_ms) == (7, duration_ms)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHAT_QUEUE_CONCURRENCY", "many"),
        ("CHAT_QUEUE_CONCURRENCY", "0"),
        ("DEEP_RESEARCH_RATE_LIMIT_PER_5MIN", "3.5"),
        ("CHAT_RATE_LIMIT_PER_MINUTE", "-1"),
    ],
)
def test_a_bad_value_is_refused_by_the_variables_name(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        loaded({variable: value})


def test_an_empty_variable_changes_nothing() -> None:
    assert figures(loaded({"CHAT_QUEUE_CONCURRENCY": ""})["chat"]) == TABLE["chat"]


def test_overriding_leaves_the_plain_settings_as_they_were() -> None:
    loaded({"CHAT_QUEUE_CONCURRENCY": "17", "CHAT_RATE_LIMIT_PER_MINUTE": "99"})
    assert figures(loaded({})["chat"]) == TABLE["chat"]
