"""API keys: from what a program sent to the key it belongs to, in one hop, and from then on known for a moment."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections import OrderedDict
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async
from django.utils import timezone

from dashboard.credentials.asking import once_more
from dashboard.credentials.identity import Credential, Identity, Kind
from dashboard.credentials.narrowing import narrowed, scoped
from dashboard.grants import Grants, grants_of
from queues.actions.actor import Actor
from queues.models.api_key import PREFIX, ApiKey, ApiSecret
from queues.options.credentials import Rate

#: So long an answer of the database holds; with the `RECHECK_S` of streams a revoked key ends within 5 s.
KNOWN_S = 2.0
#: Keys and strangers' guesses that are remembered.
MOST_KNOWN = 2_000
USED_EVERY = timedelta(minutes=1)
_SHAPE = re.compile(PREFIX + r"_([0-9A-Za-z]{8})_([0-9A-Za-z_-]{43})")


class Known:
    """What the database said of a credential, for KNOWN_S; the oldest go first where there are too many."""

    def __init__(self) -> None:
        self._held: OrderedDict[Credential, tuple[float, Identity | None]] = OrderedDict()

    def get(self, credential: Credential) -> tuple[Identity | None] | None:
        """In a tuple of one, for a key that is none is known too."""
        at, identity = self._held.get(credential, (float("-inf"), None))
        return (identity,) if time.monotonic() - at < KNOWN_S else None

    def put(self, credential: Credential, identity: Identity | None) -> None:
        self._held[credential] = (time.monotonic(), identity)
        self._held.move_to_end(credential)
        while len(self._held) > MOST_KNOWN:
            self._held.popitem(last=False)

    def clear(self) -> None:
        self._held.clear()


known = Known()


def looks_like_key(sent: str) -> bool:
    return sent.startswith(f"{PREFIX}_")


def read(sent: str) -> Credential | None:
    """What a key is known by; None where it has not the shape of one."""
    found = _SHAPE.fullmatch(sent)
    return Credential(Kind.KEY, found[1], digest(found[2])) if found else None


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


async def holder(credential: Credential) -> Identity | None:
    """Whose key it is and what it may now; None where it is unknown, wrong, revoked or over. No older than KNOWN_S."""
    if (found := known.get(credential)) is not None:
        return found[0] if found[0] is None or _lives(found[0].expires_at) else None
    identity = await sync_to_async(once_more(_asked))(credential)
    known.put(credential, identity)
    return identity


def _asked(credential: Credential) -> Identity | None:
    now = timezone.now()
    secret = ApiSecret.objects.select_related("key", "key__owner").filter(public_id=credential.id).first()
    if secret is None or not hmac.compare_digest(secret.digest, credential.digest):
        return None
    ends = min((moment for moment in (secret.ends_at, secret.key.expires_at) if moment), default=None)
    if secret.key.revoked_at is not None or not _lives(ends):
        return None
    _note_use(secret, now)
    return _identity(secret.key, credential, ends)


def _identity(key: ApiKey, credential: Credential, ends: datetime | None) -> Identity:
    rate = Rate(key.rate, 60) if key.rate else None
    return Identity(_given(key), f"key:{key.pk}", credential, expires_at=ends, rate=rate)


def grants_now(key_id: int) -> Grants | None:
    """What may be done by this key, with whichever of its secrets; None where it is gone, revoked or over. Synchronous:
    for what was begun with it and goes on.
    """
    key = ApiKey.objects.select_related("owner").filter(pk=key_id, revoked_at__isnull=True).first()
    return _given(key) if key is not None and _lives(key.expires_at) else None


def _given(key: ApiKey) -> Grants:
    abilities, scopes = frozenset(key.held), key.scopes
    actor = Actor(key.owner_id, f"key:{_called(key)}", key.pk)
    if key.owner is None:
        return scoped(actor, abilities, scopes)
    return narrowed(grants_of(key.owner), actor, abilities, scopes)


def _called(key: ApiKey) -> str:
    """On record: nobody's key passes for a service's, or for another person's of that name."""
    return key.name if key.owner is None else f"{key.owner.get_username()[:60]}/{key.name}"


def _lives(ends: datetime | None) -> bool:
    return ends is None or timezone.now() < ends


def _note_use(secret: ApiSecret, now: datetime) -> None:
    if secret.used_at is None or now - secret.used_at >= USED_EVERY:
        ApiSecret.objects.filter(pk=secret.pk).update(used_at=now)
        ApiKey.objects.filter(pk=secret.key_id).update(used_at=now)
