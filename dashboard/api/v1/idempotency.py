"""Adding once, however often it is asked: what an Idempotency-Key was answered is kept and told again.

What breaks midway may be asked again with the same key, too: ids of jobs follow from it, so that Redis itself holds the
second add off (`Once.job_id`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.responses import Status
from pydantic import BaseModel

from dashboard.api.v1.asking import Ask
from dashboard.models import ApiAnswer
from queues.errors import InvalidInput, Refused, TorilError
from queues.options import get_options

HEADER, LONGEST_KEY = "Idempotency-Key", 255
#: Whoever began and has said nothing for so long is gone.
LEASE = timedelta(seconds=60)
#: So many answers that are too old are forgotten with each that is kept.
FORGOTTEN = 100


class KeyReused(TorilError):
    """The key came with another request before."""

    code = "idempotency_key_reused"
    status = 422


class UnderWay(Refused):
    """The same request is being worked on."""

    code = "idempotency_under_way"


@dataclass(frozen=True, slots=True)
class Once:
    """One request with its key; an empty digest is none."""

    digest: str = ""

    def job_id(self, number: int | None = None) -> str | None:
        """The id that a job without one of its own gets; None where there is no key, and Redis numbers it."""
        if not self.digest:
            return None
        return f"once-{self.digest[:32]}" + ("" if number is None else f"-{number}")


Act = Callable[[Once], Awaitable[tuple[int, BaseModel]]]


async def once(request: Ask, act: Act) -> Status[Any] | HttpResponse:
    """`act` answers a status and a model. Raises InvalidInput for a key that is none, KeyReused, UnderWay."""
    key = _key(request)
    if not key:
        status, told = await act(Once())
        return Status(status, told)
    digest = _digest(request.identity.caller, key)
    kept = await _begun(digest, _fingerprint(request))
    if kept is not None:
        return _again(kept)
    try:
        status, told = await act(Once(digest))
    except Exception:
        # Nothing was done, or what was is known again by its ids: the key is free for another try.
        await ApiAnswer.objects.filter(key=digest).adelete()
        raise
    body = told.model_dump_json()
    await ApiAnswer.objects.filter(key=digest).aupdate(status=status, body=body)
    return HttpResponse(body, status=status, content_type="application/json")


def _key(request: Ask) -> str:
    told = request.headers.get(HEADER, "")
    key = told[1:-1] if len(told) > 1 and told[0] == told[-1] == '"' else told
    if HEADER in request.headers and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidInput(_("An Idempotency-Key has 1 to %(most)s printable characters.") % {"most": LONGEST_KEY})
    return key


async def _begun(digest: str, fingerprint: str) -> ApiAnswer | None:
    """What was answered already; None where it is ours to do now."""
    now = timezone.now()
    old = ApiAnswer.objects.filter(until__lt=now).order_by("until").values_list("pk", flat=True)[:FORGOTTEN]
    await ApiAnswer.objects.filter(pk__in=[pk async for pk in old]).adelete()
    until = now + timedelta(hours=get_options().api.idempotency_hours)
    try:
        await ApiAnswer.objects.acreate(key=digest, fingerprint=fingerprint, begun_at=now, until=until)
    except IntegrityError:
        return await _known(digest, fingerprint, now)
    return None


async def _known(digest: str, fingerprint: str, now: datetime) -> ApiAnswer | None:
    found = await ApiAnswer.objects.filter(key=digest).afirst()
    if found is not None and found.fingerprint != fingerprint:
        raise KeyReused(_("This Idempotency-Key came with another request before; use a new one for each request."))
    if found is not None and found.status is not None:
        return found
    left = ApiAnswer.objects.filter(key=digest, status=None, begun_at__lt=now - LEASE)
    if not await left.aupdate(begun_at=now):
        raise UnderWay(_("The same request is being worked on; ask again in a moment."))
    return None


def _again(kept: ApiAnswer) -> HttpResponse:
    answer = HttpResponse(kept.body, status=kept.status, content_type="application/json")
    answer["Idempotency-Replayed"] = "true"
    return answer


def _fingerprint(request: Ask) -> str:
    return _digest(request.method or "", request.raw_path, request.META.get("QUERY_STRING", ""), request.body)


def _digest(*parts: str | bytes) -> str:
    told = hashlib.sha256()
    for part in parts:
        held = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        told.update(len(held).to_bytes(8) + held)
    return told.hexdigest()
