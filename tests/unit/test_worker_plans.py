"""Which queues a worker takes: names, patterns, exclusions."""

from __future__ import annotations

import pytest

from queues.errors import ConfigurationError
from queues.options import load
from queues.processors import Registry
from queues.worker.plans import NoProcessor, make_plans


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    for name in ("mails", "mails-bulk", "reports", "reports-daily"):
        registry.processor(name)(lambda job: None)
    return registry


@pytest.mark.parametrize(
    ("queues", "exclude", "taken"),
    [
        ([], [], ["mails", "mails-bulk", "reports", "reports-daily"]),
        (["mails"], [], ["mails"]),
        (["mails*"], [], ["mails", "mails-bulk"]),
        (["*-daily", "mails"], [], ["mails", "reports-daily"]),
        ([], ["reports*"], ["mails", "mails-bulk"]),
        (["mails*"], ["*-bulk", "unknown"], ["mails"]),
    ],
)
def test_names_and_patterns(registry, queues, exclude, taken):
    assert [plan.name for plan in make_plans(registry, load({}), queues, None, exclude)] == taken


@pytest.mark.parametrize(
    ("queues", "exclude", "sentence"),
    [
        (["mail"], [], "Queue “mail” has no processor; these have: mails, mails-bulk, reports, reports-daily."),
        (["mails", "x*"], [], "Queue “x\\*” has no processor"),
        (["mails"], ["m*"], "Nothing is left to run: --exclude names each of mails."),
    ],
)
def test_what_names_nothing_is_refused(registry, queues, exclude, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        make_plans(registry, load({}), queues, None, exclude)


def test_no_processor_at_all_is_told_apart():
    with pytest.raises(NoProcessor, match="There is no processor"):
        make_plans(Registry(), load({}))


def test_the_concurrency_asked_for_beats_the_setting(registry):
    assert {plan.options.concurrency for plan in make_plans(registry, load({}), concurrency=7)} == {7}
