"""The signature of Standard Webhooks (standardwebhooks.com, 1.0.0): HMAC-SHA256 over `id.timestamp.body`.

One request carries a signature for each secret that counts: while one is rotated, the old and the new.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from queues.delivery.sealing import PREFIX, open_sealed
from queues.models import Endpoint


def headers(message_id: str, at_s: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """`at_s` is the moment of the attempt: a receiver refuses what is old."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signature(message_id, at_s, body, secret) for secret in secrets),
    }


def signature(message_id: str, at_s: int, body: bytes, secret: str) -> str:
    """`v1,<base64>`; the secret as it is shown, `whsec_<base64>`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()


def secrets_of(endpoint: Endpoint, now: datetime) -> list[str]:
    """Those that count now, the newest first. Raises SecretUnreadable."""
    found = [open_sealed(endpoint.secret)]
    if endpoint.former_secret and endpoint.former_until and now < endpoint.former_until:
        found.append(open_sealed(endpoint.former_secret))
    return found
