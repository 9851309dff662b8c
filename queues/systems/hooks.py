"""The `webhooks` queue: each job posts its payload by the sender that Toril's own webhooks use."""

from __future__ import annotations

import os
import time
from typing import Any
from urllib.parse import urlsplit

from queues.delivery import sending, signing
from queues.errors import ConfigurationError
from queues.protocol.codec import to_json
from queues.systems.faults import HTTPError, ValidationError, share, strike
from queues.systems.sample import sample
from queues.systems.steps import line, step

#: RFC 2606 keeps these names for examples: nobody is there, and the sample traffic delivers to them.
NOBODYS = ("example", "example.com", "example.net", "example.org")
#: What an answer says for good: the address is gone, or refuses what was sent. Another try sends the same.
FINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})


@sample("webhooks")
async def deliver(job: Any) -> dict[str, Any]:
    """Post the job's payload to its URL, signed where WEBHOOK_SECRET is set; to a host for examples, pretend to."""
    url = job.data["url"]
    host = urlsplit(url).hostname or ""
    await step(job, "sign", 10, 0.05, f"signing {job.data['event']}")
    if host.endswith(tuple(f".{name}" for name in NOBODYS)) or host in NOBODYS:
        return await _pretend(job, url, host)
    message_id, body = str(job.data["deliveryId"]), to_json(_message(job.data)).encode()
    await job.progress({"stage": "deliver", "percent": 50})
    answer = await sending.post(url, body, _headers(message_id, body))
    await job.log(line("INFO" if answer.is_ok else "WARN", f"POST to {host}: {answer.error or answer.status}"))
    if answer.is_refused or answer.status in FINAL:
        raise ValidationError(answer.error)
    if not answer.is_ok:
        raise ConnectionError(answer.error)
    return {"deliveryId": message_id, "status": answer.status, "tookMs": answer.took_ms}


def _message(data: dict[str, Any]) -> dict[str, Any]:
    """As Standard Webhooks has it: the kind of event, and what it is about."""
    return {"type": data["event"], "data": data["payload"]}


def _headers(message_id: str, body: bytes) -> dict[str, str]:
    if not (secret := webhook_secret()):
        return {"webhook-id": message_id}
    return signing.headers(message_id, int(time.time()), body, [secret])


def webhook_secret() -> str:
    """WEBHOOK_SECRET, empty where it is unset. Raises ConfigurationError for one that cannot sign."""
    secret = os.environ.get("WEBHOOK_SECRET", "").strip()
    if secret:
        try:
            signing.signature("check", 0, b"", secret)
        except ValueError:
            raise ConfigurationError("WEBHOOK_SECRET must be whsec_ and base64, as Standard Webhooks has it.") from None
    return secret


async def _pretend(job: Any, url: str, host: str) -> dict[str, Any]:
    strike(
        job,
        HTTPError(500, "Internal Server Error", host),
        TimeoutError(f"{host} did not answer within 10 s"),
        HTTPError(410, "Gone", host),
    )
    await step(job, "deliver", 50, 0.15, f"pretending to POST {url}: the host is one of the names for examples")
    return {"deliveryId": job.data["deliveryId"], "status": 200, "tookMs": 40 + int(400 * share(job.id, "took"))}
