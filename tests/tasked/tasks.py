"""Tasks of every kind, for a backend's tests."""

from __future__ import annotations

import asyncio
from typing import Any

import django

from queues.errors import DelayedError, UnrecoverableError

if django.VERSION >= (6, 0):
    from django.tasks import task

    IMMEDIATE = "django.tasks.backends.immediate.ImmediateBackend"
else:
    from django_tasks import task

    IMMEDIATE = "django_tasks.backends.immediate.ImmediateBackend"


class Weather(Exception):
    """An exception that a project declares."""


KINDS = {
    kind.__name__: kind
    for kind in (Weather, ValueError, UnrecoverableError, KeyboardInterrupt, SystemExit, GeneratorExit)
}


@task
def add(a: int, b: int = 0) -> int:
    return a + b


@task
async def add_async(a: int, b: int = 0) -> int:
    await asyncio.sleep(0)
    return a + b


@task(takes_context=True)
def attempts(context: Any, succeeds_at: int) -> dict[str, Any]:
    """Fails until an attempt; then tells what the context says of itself."""
    result = context.task_result
    if context.attempt < succeeds_at:
        raise Weather(f"rain in attempt {context.attempt}")
    return {
        "id": result.id,
        "attempt": context.attempt,
        "workers": result.worker_ids,
        "errors": [error.exception_class_path for error in result.errors],
        "started_first": result.started_at < result.last_attempted_at,
    }


@task
def fail(words: str, kind: str = "Weather") -> None:
    raise KINDS[kind](words)


@task
async def fail_async(words: str = "snow", kind: str = "Weather") -> None:
    raise KINDS[kind](words)


@task(takes_context=True)
def put_off(context: Any) -> int:
    """Wants to be run again, once."""
    if not SEEN:
        SEEN.append(context.attempt)
        raise DelayedError(1)
    return int(context.attempt)


@task
def unreturnable() -> Any:
    return object()


@task(takes_context=True)
def report(context: Any) -> None:
    context.job.log("half way")
    context.job.progress(50)


@task
def make_user(name: str) -> None:
    from django.contrib.auth.models import User

    User.objects.create_user(name)


@task
async def wait() -> None:
    await asyncio.sleep(60)


#: Arguments of our own, where the API lets a backend have some: since Django 6.1.
HAS_OWN_ARGUMENTS = not (6, 0) <= django.VERSION < (6, 1)


async def hang(seconds: float) -> None:
    await asyncio.sleep(seconds)


hang = (task(attempts=2, backoff={"type": "fixed", "delay": 1}, timeout_s=0.05) if HAS_OWN_ARGUMENTS else task)(hang)

SEEN: list[int] = []
