"""API keys are made, rotated and revoked here: each on record, and no secret anywhere but in the hand of who asked."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from queues.abilities import ABILITIES
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Ending, of_done, record
from queues.errors import InvalidInput, NotFound, Refused
from queues.models import ApiKey, ApiSecret, Outcome
from queues.models.api_key import PREFIX
from queues.options import get_options

T = TypeVar("T")
LONGEST_NAME, LONGEST_PATTERN, MOST_PATTERNS = 80, 255, 50
#: More stars in a pattern would take long for nothing.
MOST_STARS = 8
#: Keys and services that make keys would never be got rid of.
NEVER = frozenset({"keys"})
_PUBLIC = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to be made, as it is typed. Without an owner it is a service's."""

    name: str
    abilities: tuple[str, ...]
    queues: tuple[str, ...]
    owner_id: int | None = None
    #: None: never; within what the settings allow.
    days: int | None = None
    #: Requests a minute; None: as the settings say.
    rate: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A key as it is shown once, and never again: its secret is kept nowhere."""

    key: ApiKey
    shown: str = field(repr=False)
    message: str


async def make_key(actor: Actor, wanted: Wanted) -> Made:
    """Raises InvalidInput naming the field that cannot be used."""
    wanted = checked(wanted)
    return await _record(Deed(actor, "key.make", "", "", parameters=_told(wanted)), lambda: _make(actor, wanted))


async def rotate_key(actor: Actor, number: int, overlap_hours: int | None = None) -> Made:
    """A new secret for the key; the older ones end after the overlap (the settings' where None). A key that expires
    lives as long again. Raises NotFound, and Refused for one that was revoked.
    """
    key = await key_of(number)
    hours = get_options().credentials.overlap_hours if overlap_hours is None else overlap_hours
    if not 0 <= hours <= 24 * 90:
        raise InvalidInput(_("An older secret works on for 0 hours to 90 days."))
    deed = Deed(actor, "key.rotate", "", "", parameters={"key": key.name, "number": number, "overlap_hours": hours})
    return await _record(deed, lambda: _rotate(number, timedelta(hours=hours)))


async def revoke_key(actor: Actor, number: int) -> Done:
    """It is refused from now on, in every process within 5 s. Raises NotFound, and Refused where it was before."""
    key = await key_of(number)
    deed = Deed(actor, "key.revoke", "", "", parameters={"key": key.name, "number": number})
    return await record(deed, lambda: sync_to_async(_revoke)(number), of_done)


async def key_of(number: int) -> ApiKey:
    key = await ApiKey.objects.select_related("owner").filter(pk=number).afirst()
    if key is None:
        raise NotFound(_("There is no API key number %(number)s.") % {"number": number})
    return key


def checked(wanted: Wanted) -> Wanted:
    """Raises InvalidInput; otherwise the same in order: abilities in theirs, patterns once each."""
    name = wanted.name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            _("A key's name has 1 to %(longest)s printable characters, such as “deploy”.") % {"longest": LONGEST_NAME}
        )
    if unknown := sorted(set(wanted.abilities) - ABILITIES.keys() | set(wanted.abilities) & NEVER):
        raise InvalidInput(_("A key cannot hold the ability “%(ability)s”.") % {"ability": unknown[0][:60]})
    if not wanted.abilities:
        raise InvalidInput(_("Say what the key may: without any ability it opens nothing."))
    if wanted.rate is not None and not 1 <= wanted.rate <= 1_000_000:
        raise InvalidInput(_("A key asks 1 to 1,000,000 times a minute."))
    held = {"view", *wanted.abilities}
    return Wanted(
        name,
        tuple(ability for ability in ABILITIES if ability in held),
        _patterns(wanted.queues),
        wanted.owner_id,
        _days(wanted.days),
        wanted.rate,
    )


def _patterns(told: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(pattern.strip() for pattern in told if pattern.strip()))
    if not found:
        raise InvalidInput(_("Say which queues the key is for; * stands for all."))
    if len(found) > MOST_PATTERNS:
        raise InvalidInput(_("A key names at most %(most)s patterns of queues.") % {"most": MOST_PATTERNS})
    for pattern in found:
        is_odd = len(pattern) > LONGEST_PATTERN or pattern.count("*") > MOST_STARS
        if is_odd or not pattern.isprintable() or pattern.endswith(":"):
            raise InvalidInput(_("“%(pattern)s” is no pattern of queues.") % {"pattern": pattern[:60]})
    return found


def _days(days: int | None) -> int | None:
    most = get_options().credentials.most_key_days
    if days is None and most is None:
        return None
    if days is None or not 1 <= days <= (most or 3_650):
        raise InvalidInput(_("A key lives 1 to %(most)s days here.") % {"most": f"{most or 3_650:,}"})
    return days


def _told(wanted: Wanted) -> dict[str, Any]:
    told = {"key": wanted.name, "abilities": list(wanted.abilities), "queues": list(wanted.queues)}
    return told | {"days": wanted.days, "owner": wanted.owner_id}


async def _record(deed: Deed, act: Callable[[], Made]) -> Made:
    return await record(deed, sync_to_async(act), lambda made: Ending(Outcome.DONE, made.message, 0))


def _make(actor: Actor, wanted: Wanted) -> Made:
    key = ApiKey(
        name=wanted.name,
        owner_id=wanted.owner_id,
        abilities=list(wanted.abilities),
        queues=list(wanted.queues),
        rate=wanted.rate,
        made_by=actor.name[:150],
        expires_at=timezone.now() + timedelta(days=wanted.days) if wanted.days else None,
    )
    try:
        with transaction.atomic():
            key.save()
            return _with_secret(key, _("Made the key “%(key)s”.") % {"key": key.name})
    except IntegrityError:
        raise InvalidInput(_("There is a key named “%(name)s” already.") % {"name": wanted.name}) from None


def _rotate(number: int, overlap: timedelta) -> Made:
    with transaction.atomic():
        key, now = _living(number), timezone.now()
        older = list(key.secrets.all())
        until = now + overlap if key.expires_at is None else min(now + overlap, key.expires_at)
        if key.expires_at is not None:
            key.expires_at = now + _lifetime(key, older)
            key.save(update_fields=["expires_at"])
        for secret in older:
            if secret.ends_at is None or secret.ends_at > until:
                secret.ends_at = until
                secret.save(update_fields=["ends_at"])
        return _with_secret(key, _("The key “%(key)s” has a new secret.") % {"key": key.name})


def _lifetime(key: ApiKey, secrets_of: list[ApiSecret]) -> timedelta:
    """As long as it was given to live when it was made, or rotated last."""
    begun: datetime = max((secret.made_at for secret in secrets_of), default=key.made_at)
    return max((key.expires_at or begun) - begun, timedelta(days=1))


def _revoke(number: int) -> Done:
    with transaction.atomic():
        key = _living(number)
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
    return Done(_("The key “%(key)s” opens nothing any more.") % {"key": key.name}, affected=0)


def _living(number: int) -> ApiKey:
    key = ApiKey.objects.select_for_update().filter(pk=number).first()
    if key is None:
        raise NotFound(_("There is no API key number %(number)s.") % {"number": number})
    if key.revoked_at is not None:
        raise Refused(_("The key “%(key)s” was revoked before.") % {"key": key.name})
    return key


def _with_secret(key: ApiKey, message: str) -> Made:
    public_id, secret = "".join(secrets.choice(_PUBLIC) for _at in range(8)), secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode("ascii")).hexdigest()
    ApiSecret.objects.create(key=key, public_id=public_id, digest=digest)
    return Made(key, f"{PREFIX}_{public_id}_{secret}", message)
