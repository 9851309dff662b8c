"""A processor's own log lines carry its job, wherever it runs, and no other line does."""

from __future__ import annotations

import json
import logging

import pytest
from structlog.contextvars import get_contextvars

from dashboard.logs import django_logging
from queues import queue
from queues.processors import Registry
from tests import heavy
from tests.working import working


async def on_loop(job):
    return heavy.log_words(job)


@pytest.mark.parametrize(
    ("function", "executor"), [(on_loop, "async"), (heavy.log_words, "thread"), (heavy.log_words, "process")]
)
async def test_log_lines_of_a_processor_carry_its_job(connection, sight, function, executor):
    registry = Registry()
    registry.processor("chat", executor=executor)(function)
    async with working(registry=registry, concurrency=2):
        added = [await queue("chat").add(f"job {n}") for n in range(3)]
        await sight.until("completed", *(one.id for one in added), timeout_s=20)
        assert get_contextvars() == {}
    for n, one in enumerate(added):
        found = json.loads(sight.job(one.id)["returnvalue"])
        assert found == {"queue": "chat", "job_id": one.id, "job_name": f"job {n}", "attempt": 1}


async def test_a_line_of_the_standard_library_shows_it_too(connection, sight):
    form = django_logging("INFO", "json")["formatters"]["line"]
    formatter = form.pop("()")(**form)
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(json.loads(formatter.format(record)))

    handler = Keep()
    logging.getLogger("shop").addHandler(handler)
    try:
        async with working(on_loop):
            added = await queue("chat").add("x")
            await sight.until("completed", added.id)
    finally:
        logging.getLogger("shop").removeHandler(handler)
    (line,) = lines
    assert line["event"] == "a line of the processor's own"
    assert (line["queue"], line["job_id"], line["job_name"], line["attempt"]) == ("chat", added.id, "x", 1)
