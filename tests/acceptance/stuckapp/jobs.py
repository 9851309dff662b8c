"""Processors that hang in their threads, or keep a child busy, beside one that does its work."""

from __future__ import annotations

import time
from typing import Any

from queues import processor
from tests.acceptance.workapp.jobs import enter


@processor("work", name="hang", timeout_s=0.1, concurrency=2)
def hang(job: Any) -> None:
    enter(job, "start")
    while True:
        time.sleep(0.05)


@processor("work", name="quick")
def quick(job: Any) -> None:
    enter(job, "done")


@processor("crunch", executor="process")
def crunch(job: Any) -> None:
    enter(job, "start")
    while True:
        pass
