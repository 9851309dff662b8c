"""Keys and programs for web tests: a key as it is kept, and a client that shows it and no cookie."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from dashboard.credentials import keys, keysets
from dashboard.credentials.guesses import guesses
from dashboard.credentials.rates import rates
from queues.models import ApiKey, ApiSecret
from tests.web.browser import Browser


def forget_callers() -> None:
    """What this process remembers of keys, issuers and rates: the next test has none of these."""
    keys.known.clear()
    keysets.forget()
    rates.clear()
    guesses.clear()


class Program(Browser):
    """Sends these headers with each request; Django's own client forgets those it was made with."""

    def __init__(self, **headers: str) -> None:
        super().__init__()
        self.shown = headers

    def generic(self, method: str, path: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["headers"] = {**self.shown, **(kwargs.get("headers") or {})}
        return super().generic(method, path, *args, **kwargs)


def program(credential: str, **headers: str) -> Program:
    """A client that shows this in its `Authorization`, on each request."""
    return Program(Authorization=f"Bearer {credential}", **headers)


async def plant_key(
    name: str = "deploy", abilities: Sequence[str] = ("view",), queues: Sequence[str] = ("*",), **more: Any
) -> str:
    """The key as its holder has it. `queues` are patterns: `mails-*`, `replica:mails-*`; `owner` may be a user."""
    ends_at = more.pop("ends_at", None)
    told = {"name": name, "abilities": list(abilities), "queues": list(queues), "made_by": "test"}
    return await plant_secret(await ApiKey.objects.acreate(**told, **more), ends_at=ends_at)


async def plant_secret(key: ApiKey, **more: Any) -> str:
    public_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    await ApiSecret.objects.acreate(key=key, public_id=public_id, digest=digest, **more)
    return f"toril_{public_id}_{secret}"
