"""USE_JOB_QUEUE=false: adding runs the job in this process, with the states, orders and attempts Redis would give."""

from __future__ import annotations

import json
import threading

import pytest

from queues import queue
from queues.models import LogLine
from tests.inprocess import in_process, row, running, until  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_process")


async def test_adding_runs_the_job_here_and_its_row_tells_what_became_of_it():
    async def work(job):
        await job.log("began")
        await job.progress({"percent": 50})
        return {"echo": job.data, "attempt": job.attempt}

    async with running(work):
        added = await queue("chat").add("hello", {"text": "hi"})
        job = await until(added.id, "completed")
    assert json.loads(job.return_value) == {"echo": {"text": "hi"}, "attempt": 1}
    assert json.loads(job.progress) == {"percent": 50}
    assert (job.name, json.loads(job.data), job.attempts_made, job.attempts_started) == ("hello", {"text": "hi"}, 1, 1)
    assert job.timestamp_ms <= job.processed_on_ms <= job.finished_on_ms
    assert [line.text async for line in LogLine.objects.filter(job=job)] == ["began"]
    assert (job.rank, job.holder) == (None, "")


async def test_a_plain_function_runs_in_a_thread_of_this_process():
    names = []

    def work(job):
        job.log("from a thread")
        names.append(threading.current_thread().name)

    async with running(work):
        added = await queue("chat").add("hello")
        await until(added.id, "completed")
    assert names != [threading.current_thread().name]
