"""What `@processor(…)` says beside the queue's name: its settings, executor, time and data; and who goes before."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from queues.errors import ConfigurationError
from queues.options import Backoff, Keep, Limiter, QueueOptions, load
from queues.processors import OWN_BACKOFF, QueueSettings, Registry


@dataclass
class Mail:
    to: str


def send(job: Any) -> None:
    return None


def other(job: Any) -> None:
    return None


async def send_async(job: Any) -> None:
    return None


async def own_backoff(made: int, error: BaseException | None, job: Any) -> int:
    return made


def declared(**settings: Any) -> Registry:
    registry = Registry()
    registry.processor("chat", **settings)(send)
    return registry


def test_a_processor_may_say_whatever_the_settings_may_say():
    assert set(QueueSettings.__annotations__) == {field.name for field in fields(QueueOptions)}


def test_its_settings_are_read_as_those_of_the_settings_file():
    said = {
        "concurrency": 4,
        "limiter": {"max": 5, "duration": 1000},
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 50},
        "remove_on_complete": 100,
        "remove_on_fail": {"age": 60},
    }
    options = load({}).queue("chat", declared(**said).declared("chat"))
    assert options == load({"QUEUES": {"chat": said}}).queue("chat", {})
    assert options.limiter == Limiter(5, 1000)
    assert options.backoff == Backoff("exponential", 50)
    assert options.remove_on_fail == Keep(age_s=60)


VARIABLES = {"CHAT_QUEUE_CONCURRENCY": "40", "CHAT_RATE_LIMIT_PER_SECOND": "4"}


@pytest.mark.parametrize(
    ("variables", "settings", "decorator", "expected"),
    [
        ({}, {}, {}, (1, None, 1)),
        ({}, {}, {"concurrency": 2, "attempts": 2}, (2, None, 2)),
        ({}, {"concurrency": 3}, {"concurrency": 2, "attempts": 2}, (3, None, 2)),
        ({}, {"concurrency": 1}, {"concurrency": 2}, (1, None, 1)),
        ({}, {"limiter": None}, {"limiter": {"max": 1, "duration": 1}}, (1, None, 1)),
        (VARIABLES, {}, {"concurrency": 2, "attempts": 2}, (40, Limiter(4, 1000), 2)),
        (VARIABLES, {"concurrency": 3, "attempts": 3}, {"concurrency": 2}, (40, Limiter(4, 1000), 3)),
    ],
)
def test_environment_before_settings_before_decorator_before_defaults(variables, settings, decorator, expected):
    options = load({"QUEUES": {"chat": settings} if settings else {}, "VARIABLES": variables})
    found = options.queue("chat", declared(**decorator).declared("chat"))
    assert (found.concurrency, found.limiter, found.attempts) == expected


def test_the_processes_own_decorators_count_for_producers_without_being_named(monkeypatch):
    from queues import options as room

    monkeypatch.setitem(room.DECLARED, "only-here", {"attempts": 7})
    assert load({}).queue("only-here").attempts == 7
    assert load({"QUEUES": {"only-here": {"attempts": 2}}}).queue("only-here").attempts == 2


def test_two_processors_that_agree_or_say_different_options_share_a_queue():
    registry = declared(concurrency=2, attempts=3)
    registry.processor("chat", name="a", concurrency=2, backoff=5)(other)
    registry.processor("mail", concurrency=9)(other)
    assert registry.declared("chat") == {"concurrency": 2, "attempts": 3, "backoff": Backoff("fixed", 5)}
    assert registry.declared("none") == {}


def test_two_that_disagree_stop_the_start_naming_both_and_the_option():
    registry = declared(concurrency=2, attempts=3)
    with pytest.raises(ConfigurationError, match=r"“chat”.*\.send and .*\.other disagree on attempts"):
        registry.processor("chat", name="a", attempts=4)(other)


def test_the_same_function_may_change_its_mind_when_its_module_is_loaded_again():
    registry = declared(attempts=3)
    registry.processor("chat", attempts=4)(send)
    assert registry.declared("chat")["attempts"] == 4


def test_a_backoff_of_its_own_is_kept_and_jobs_are_added_to_ask_for_it():
    registry = declared(backoff=own_backoff, attempts=3)
    assert registry.of("chat")[None].backoff is own_backoff
    assert registry.declared("chat")["backoff"] == OWN_BACKOFF


@pytest.mark.parametrize(
    ("function", "settings", "words"),
    [
        (send, {"concurrency": 0}, "concurrency must be a whole number of at least 1, not 0"),
        (send, {"limiter": {"max": 1}}, "limiter must be"),
        (send, {"backoff": "soon"}, "backoff must be"),
        (send, {"remove_on_fail": "never"}, "remove_on_fail must be"),
        (send, {"speed": 9}, "no option 'speed'; it knows allow_completed_retries, allow_retries, attempts"),
        (send, {"timeout_s": 0}, "timeout_s must be a number of seconds above 0, not 0"),
        (send, {"name": ""}, "name must be the name of its jobs, not ''"),
        (send, {"name": 5}, "name must be the name of its jobs, not 5"),
        (send, {"timeout_s": "1"}, "timeout_s"),
        (send, {"timeout_s": True}, "timeout_s"),
        (send, {"executor": "gpu"}, "executor must be 'async', 'thread' or 'process', not 'gpu'"),
        (send, {"executor": "async"}, "async def"),
        (send_async, {"executor": "thread"}, "runs plain functions"),
        (send_async, {"executor": "process"}, "runs plain functions"),
        (send, {"data": dict}, "data must be a dataclass or a pydantic model, not dict"),
        (send, {"data": Mail("ana")}, "data must be a class"),
    ],
)
def test_a_mistake_stops_the_start_naming_the_function_and_the_option(function, settings, words):
    with pytest.raises(ConfigurationError) as refused:
        Registry().processor("chat", **settings)(function)
    assert f"@processor of tests.unit.test_processor_settings.{function.__name__}" in str(refused.value)
    assert words in str(refused.value)


def test_where_it_runs_follows_from_the_function_unless_it_is_said():
    registry = declared()
    registry.processor("chat", name="async")(send_async)
    registry.processor("chat", name="process", executor="process", timeout_s=5, data=Mail)(other)
    found = registry.of("chat")
    assert [found[name].executor for name in (None, "async", "process")] == ["thread", "async", "process"]
    assert (found["process"].timeout_s, found["process"].model) == (5.0, Mail)


def known_in_a_fresh_process(tmp_path: Path, jobs: str) -> subprocess.CompletedProcess[str]:
    """What a process other than a worker knows of queue “mails”, with these jobs.py."""
    app = tmp_path / "shop"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "jobs.py").write_text(jobs)
    (tmp_path / "project.py").write_text("from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'shop']\n")
    program = (
        "import django; django.setup(); from queues.options import get_options as o; print(o().queue('mails').attempts)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.getcwd()}", "DJANGO_SETTINGS_MODULE": "project"}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)


def test_whoever_adds_jobs_knows_what_their_processors_say(tmp_path):
    jobs = "from queues import processor\n@processor('mails', attempts=4)\ndef send(job): ...\n"
    assert known_in_a_fresh_process(tmp_path, jobs).stdout == "4\n"


def test_a_jobs_py_that_cannot_be_imported_is_told_and_stops_no_page(tmp_path):
    found = known_in_a_fresh_process(tmp_path, "import not_there_at_all\n")
    assert found.stdout == "1\n"
    assert "shop.jobs cannot be imported: ModuleNotFoundError" in found.stderr
