"""Small parts of the worker that need no server: backoff, options, names, plans, the registry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from queues.errors import ConfigurationError, JobNotFound, LockLost, Refused
from queues.options import Keep, Options, QueueOptions, load
from queues.processors import Registry, autodiscover
from queues.protocol import codec
from queues.protocol.fleet import client_name, shown_name
from queues.protocol.keys import Keys
from queues.protocol.running import RunningCommands
from queues.protocol.taken import KEEP_ALL, TakenJob, job_options, keep_jobs, read_fetched, read_moved
from queues.runs import journal
from queues.worker.plans import make_plans
from queues.worker.schedulers import CannotSchedule, next_iteration


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (True, (("count", 0),)),
        (False, KEEP_ALL),
        (7, (("count", 7),)),
        ({"age": 60, "count": 5, "limit": 100}, (("age", 60), ("count", 5), ("limit", 100))),
        ({"age": 60.0}, (("age", 60),)),
        ({"age": "x"}, None),
        ("yes", None),
        (None, None),
        (1e999, None),
    ],
)
def test_a_jobs_retention_is_what_the_scripts_can_take(stored, kept):
    assert job_options(json.dumps({"removeOnComplete": stored}).encode()).keep_completed == kept


def test_a_queues_retention():
    assert keep_jobs(None) == KEEP_ALL
    assert keep_jobs(Keep(count=0)) == (("count", 0),)
    assert keep_jobs(Keep(age_s=60, count=9)) == (("age", 60), ("count", 9))


@pytest.mark.parametrize("raw", [b"", b"[]", b"nope", b"\xff", b"[" * 100_000])
def test_options_that_cannot_be_read_are_marked(raw):
    assert job_options(raw).is_corrupt


def test_a_job_from_its_hash_with_bullmqs_old_names():
    taken = TakenJob(b"5", {b"name": b"x", b"timestamp": b"9", b"attemptsMade": b"2", b"atm": b"1", b"opts": b"{}"})
    assert (taken.attempts_made, taken.attempts, taken.data, taken.is_ghost) == (2, 1, b"{}", False)
    assert TakenJob(b"5", {b"processedOn": b"1", b"ats": b"1", b"pb": b"me"}).is_ghost


def test_odd_bytes_in_a_hash_become_text():
    taken = TakenJob(b"\xff", {b"name": b"a\x00\xfe", b"stacktrace": b"{", b"ats": b"many"})
    assert taken.raw_id == b"\xff"
    assert taken.traces() == []
    assert taken.attempts_started == 0


def test_what_the_scripts_answer():
    assert read_fetched([0, 0, 250, 0]).limited_ms == 250
    assert read_fetched([0, 0, 0, 1700000000000]).due_ms == 1_700_000_000_000
    found = read_fetched([[b"name", b"x"], b"7", 0, 0])
    assert found.job is not None
    assert found.job.id == "7"
    assert read_fetched(0).is_known
    assert not read_moved(0).is_known
    for code in (-1, -2, -3, -6, -99):
        with pytest.raises(LockLost):
            read_fetched(code)
    for code in (-4, -9):
        with pytest.raises(Refused):
            read_moved(code)


def test_a_report_on_a_job_that_is_gone_says_so():
    commands = RunningCommands(Keys("p", "chat"), name="me", lock_ms=1)
    with pytest.raises(JobNotFound, match="chat"):
        commands.log(TakenJob(b"5", {}), "line").read(-1)


def test_a_workers_name_in_client_list():
    assert client_name("bull", "chat", "w:host-1") == "bull:Y2hhdA==:w:host-1"
    assert client_name("bull", codec.text(b"\xff"), "qe") == "bull:/w==:qe"
    assert shown_name("a b\nc é") == "a_b_c__"


def test_a_log_line_is_one_line():
    assert journal.line("first\nsecond") == "first"
    assert journal.line("a\x1b[31mb\u202e") == "a\\x1b[31mb\\u202e"
    assert len(journal.line("x" * 5000)) == journal.MAX_WORDS


def test_a_schedulers_options_that_msgpack_cannot_say_stop_the_scheduler_and_not_the_job():
    opts = b'{"repeat": {"every": 100}, "odd": %s}' % (b"9" * 30)
    taken = TakenJob(b"repeat:tick:1", {b"name": b"tick", b"opts": opts, b"rjk": b"tick"})
    with pytest.raises(CannotSchedule, match="cannot be passed on"):
        next_iteration(taken, RunningCommands(Keys("p", "q"), name="me", lock_ms=1000))


# --- registry, discovery and plans


def registry_of(*queues: str) -> Registry:
    registry = Registry()
    for name in queues:
        registry.processor(name)(test_a_log_line_is_one_line)
    return registry


def test_a_second_processor_for_the_same_jobs_is_refused_naming_both():
    registry = registry_of("chat")
    with pytest.raises(ConfigurationError, match=r"test_a_log_line.* and .*other"):

        @registry.processor("chat")
        def other(job):
            return None


def test_the_same_function_may_be_registered_again_and_for_other_names():
    registry = registry_of("chat", "chat", "mail")
    registry.processor("chat", name="greet")(test_a_log_line_is_one_line)
    assert registry.queues() == ["chat", "mail"]
    assert set(registry.of("chat")) == {None, "greet"}


@pytest.mark.parametrize("queue", ["", "a:b", 5, lambda job: None])
def test_a_processor_without_a_queues_name_is_refused(queue: Any):
    with pytest.raises(ConfigurationError, match="@processor"):
        Registry().processor(queue)


def test_what_is_no_function_is_refused():
    def yields(job):
        yield job

    async def yields_async(job):
        yield job

    for odd in (5, yields, yields_async):
        with pytest.raises(ConfigurationError):
            Registry().processor("chat")(odd)  # type: ignore[type-var]


def test_async_is_told_from_plain_by_looking():
    class Callable:
        async def __call__(self, job):
            return None

    registry = Registry()
    registry.processor("a")(Callable())
    registry.processor("b")(lambda job: None)
    assert registry.of("a")[None].is_async
    assert not registry.of("b")[None].is_async


def test_plans_take_all_queues_that_have_a_processor_or_those_named():
    options = load({"QUEUES": {"chat": {"concurrency": 5}}})
    registry = registry_of("chat", "mail")
    assert [(plan.name, plan.options.concurrency) for plan in make_plans(registry, options)] == [
        ("chat", 5),
        ("mail", 1),
    ]
    assert [plan.name for plan in make_plans(registry, options, ["mail"])] == ["mail"]
    assert make_plans(registry, options, ["chat"], 9)[0].options.concurrency == 9
    assert make_plans(registry, options, ["chat"])[0].options is options.queue("chat")


def test_a_queue_without_a_processor_cannot_be_worked_on():
    with pytest.raises(ConfigurationError, match=r"“nope”.*chat"):
        make_plans(registry_of("chat"), Options({}, {"chat": QueueOptions()}), ["nope"])
    with pytest.raises(ConfigurationError, match="There is no processor"):
        make_plans(Registry(), Options({}))


def test_jobs_py_of_every_installed_app_is_imported(settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.acceptance.brokenapp"]
    with pytest.raises(ConfigurationError, match=r"tests\.acceptance\.brokenapp\.jobs .*no licence for the model"):
        autodiscover()
