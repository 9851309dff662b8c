"""The `webhooks` queue posts for real: to a server on loopback, signed, with what is final told from what may pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from queues import queue
from queues.delivery.sealing import new_secret
from queues.errors import ConfigurationError
from queues.options import get_options, reset_options
from queues.processors import registry
from queues.protocol import reads
from queues.systems.hooks import webhook_secret
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import eventually
from tests.receiving import OK, Receiver, answer, receiver

TOLD = {"deliveryId": "work-7", "event": "job.succeeded", "payload": {"id": "x", "queue": "ai-jobs"}}


@pytest.fixture
async def hook(connection: str, settings: Any) -> AsyncIterator[Receiver]:
    """A receiver that the settings allow, and a worker of `webhooks` whose retries come at once."""
    import queues.systems.jobs

    settings.TORIL_SYSTEMS_PACE = 0
    async with receiver() as one:
        allowed = {"ALLOW": [f"127.0.0.1:{one.port}"], "HTTPS_ONLY": False}
        queues = {"webhooks": {"attempts": 3, "backoff": 1}}
        settings.TORIL = {**settings.TORIL, "QUEUES": queues, "WEBHOOKS": allowed}
        reset_options()
        plan = QueuePlan("webhooks", registry.of("webhooks"), replace(get_options().queue("webhooks"), limiter=None))
        worker = Worker([plan], connection=connection, name="tests")
        worker.start()
        yield one
        await worker.stop(drain_timeout_s=5)
    reset_options()


async def delivered(url: str) -> Any:
    """The job's record when it has ended."""
    job = await queue("webhooks").add("deliver", {**TOLD, "url": url})

    async def ended() -> bool:
        (state,) = await reads.job_states("default", "webhooks", [job.id])
        return state.is_finished

    await eventually(ended, timeout_s=30)
    return (await reads.job("default", "webhooks", job.id)).record


async def test_a_delivery_is_posted_and_signed_and_says_no_more_than_its_payload(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", secret := new_secret())
    record = await delivered(hook.url)
    result = json.loads(record.return_value)
    assert (result["deliveryId"], result["status"], record.attempts_made) == ("work-7", 204, 1)
    (one,) = hook.received
    assert one.told == {"type": "job.succeeded", "data": TOLD["payload"]}
    assert one.id == "work-7"
    assert one.is_signed_with(secret)


@pytest.mark.parametrize(("status", "attempts"), [(410, 1), (500, 3), (429, 3)])
async def test_what_is_final_is_not_tried_again_and_what_may_pass_is(
    hook: Receiver, status: int, attempts: int
) -> None:
    hook.answers = lambda _received: answer(status)
    record = await delivered(hook.url)
    assert (record.attempts_made, len(hook.received)) == (attempts, attempts)
    assert str(status) in record.failed_reason


async def test_a_delivery_that_fails_once_arrives_under_the_same_id(hook: Receiver) -> None:
    hook.answers = lambda _received: answer(503) if len(hook.received) == 1 else OK
    record = await delivered(hook.url)
    assert (record.attempts_made, hook.ids) == (2, {"work-7": 2})


async def test_addresses_inside_are_refused_and_redirects_not_followed(hook: Receiver) -> None:
    inside = await delivered("http://169.254.169.254/latest/meta-data")
    assert (inside.attempts_made, inside.return_value) == (1, "")
    assert inside.failed_reason
    hook.answers = lambda _received: answer(302, Location="http://169.254.169.254/")
    record = await delivered(hook.url)
    assert "follows no redirect" in record.failed_reason


async def test_names_kept_for_examples_are_only_pretended_to(hook: Receiver) -> None:
    assert json.loads((await delivered("https://hooks.northwind.example/x")).return_value)["status"] == 200
    assert hook.received == []


def test_a_secret_that_cannot_sign_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_not base64")
    with pytest.raises(ConfigurationError, match="WEBHOOK_SECRET must"):
        webhook_secret()
