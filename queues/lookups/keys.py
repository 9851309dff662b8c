"""API keys for people: whose, what each may, until when, when it was used last. Never a digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Case, Q, When
from django.utils import timezone

from queues.models import ApiKey
from queues.models.api_key import PREFIX

#: So many are listed, the living first.
MOST = 500


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a key: how it begins, and until when it opens (None: as long as the key)."""

    shown: str
    made_at: datetime
    ends_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Its secrets are those that still open it, newest first."""

    number: int
    name: str
    owner: str
    owner_id: int | None
    abilities: tuple[str, ...]
    queues: tuple[str, ...]
    rate: int | None
    made_at: datetime
    made_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
    secrets: tuple[Secret, ...]

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def opens(self) -> bool:
        return self.revoked_at is None and not self.is_over

    @property
    def older(self) -> tuple[Secret, ...]:
        """Secrets from before the last rotation that still open it."""
        return self.secrets[1:]

    def facts(self) -> Mapping[str, Any]:
        """For a program."""
        plain = ("number", "name", "owner", "abilities", "queues", "rate", "made_by")
        moments = ("made_at", "expires_at", "revoked_at", "used_at")
        told = {name: getattr(self, name) for name in plain}
        told |= {name: _iso(getattr(self, name)) for name in moments}
        return told | {"opens": self.opens, "secrets": [_facts(secret) for secret in self.secrets]}


async def keys(owner_id: int | None = None) -> list[Key]:
    """Those of one person, or (None) all: those that open something first, newest first."""
    return await sync_to_async(_keys)(owner_id)


def _keys(owner_id: int | None) -> list[Key]:
    opens = Q(revoked_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))
    # By the database: of many dead ones some are left out, and no living one for them.
    rows = ApiKey.objects.order_by(Case(When(opens, then=0), default=1), "-pk")
    mine = rows if owner_id is None else rows.filter(owner_id=owner_id)
    return [_key(row) for row in mine.select_related("owner").prefetch_related("secrets")[:MOST]]


def _key(row: ApiKey) -> Key:
    now = timezone.now()
    living = [secret for secret in row.secrets.all() if secret.ends_at is None or secret.ends_at > now]
    living.sort(key=lambda secret: secret.pk, reverse=True)
    return Key(
        number=row.pk,
        name=row.name,
        owner=row.owner.get_username() if row.owner else "",
        owner_id=row.owner_id,
        abilities=row.held,
        queues=tuple(map(str, row.queues if isinstance(row.queues, list) else ())),
        rate=row.rate,
        made_at=row.made_at,
        made_by=row.made_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
        secrets=tuple(Secret(f"{PREFIX}_{s.public_id}_…", s.made_at, s.ends_at, s.used_at) for s in living),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _facts(secret: Secret) -> Mapping[str, Any]:
    return {"begins": secret.shown, "made_at": _iso(secret.made_at), "ends_at": _iso(secret.ends_at)}
