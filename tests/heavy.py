"""Processors for child processes: they are found by their name, so they live in a module of their own."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

setting: ContextVar[str] = ContextVar("setting", default="clean")


@dataclass
class Page:
    number: int
    words: list[str]


def square(job: Any) -> dict[str, int]:
    return {"square": job.data["n"] ** 2, "pid": os.getpid(), "parent": os.getppid()}


def report(job: Any) -> dict[str, Any]:
    job.log("begun")
    job.progress({"percent": 50})
    job.update_data({"seen": True})
    return {"children": dict(job.children_values()), "attempt": job.attempt, "worker": job.worker, "id": job.id}


def count_words(job: Any) -> int:
    assert isinstance(job.data, Page)
    return job.data.number * len(job.data.words)


def ask_django(job: Any) -> list[str]:
    from django.apps import apps
    from django.contrib.auth.models import User

    return [apps.get_app_config("toril").name, User._meta.label]


def raise_deep(job: Any) -> None:
    def deeper() -> None:
        raise OddError("a\ud800\x00 word", 3)

    deeper()


class OddError(Exception):
    def __init__(self, word: str, number: int) -> None:
        super().__init__(word)


def give_set(job: Any) -> Any:
    return {1, 2}


def die(job: Any) -> None:
    how = job.data["how"]
    if how == "exit":
        os._exit(job.data.get("code", 0))
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "sys.exit":
        sys.exit(4)
    else:
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(30)


def die_beside_a_fork(job: Any) -> None:
    """The fork keeps the socket to the worker open."""
    if os.fork() == 0:
        time.sleep(10)
        os._exit(0)
    os._exit(7)


def start_a_program(job: Any) -> int:
    """One that outlives this process, and must keep nothing of it."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"]).pid


def until_cancelled(job: Any) -> str:
    Path(job.data["file"]).write_text(str(os.getpid()))
    while not job.cancelled:
        time.sleep(0.01)
    return "stopped"


def for_ever(job: Any) -> None:
    if job.data.get("file"):
        Path(job.data["file"]).write_text(str(os.getpid()))
    while True:
        pass


def leave_something(job: Any) -> str:
    before = setting.get()
    setting.set("dirty")
    return before


def log_words(job: Any) -> dict[str, Any]:
    import logging

    from structlog.contextvars import get_contextvars

    logging.getLogger("shop").warning("a line of the processor's own")
    return get_contextvars()


def echo(job: Any) -> Any:
    return job.data


def notify(job) -> str:
    job.notify("step:done", step=job.data["n"])
    return "told"
