"""Slows the guessing of passwords: per person and place, per person, and per place, over all web processes.

Synchronous: called inside one hop together with Django's own authentication.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from dashboard.models import SignInAttempt

WINDOW = timedelta(minutes=10)
#: How many failures within WINDOW are evaluated; the rest are refused unread. The first is low, so that a stranger
#: who knows a name shuts out only their own address with it.
PER_PAIR, PER_ACCOUNT, PER_ADDRESS = 5, 20, 50


def open_attempt(account: str, address: str) -> SignInAttempt | None:
    """A place in the window, counted as failed until it is struck out; None where too many have failed.

    Written before the password is looked at, so that parallel guesses count each other.
    """
    digest = hashlib.sha256(account.strip().casefold().encode("utf-8", "replace")).hexdigest()
    since = timezone.now() - WINDOW
    SignInAttempt.objects.filter(at__lt=since).delete()
    recent = SignInAttempt.objects.filter(Q(account=digest) | Q(address=address), at__gte=since)
    seen = list(recent.values_list("account", "address"))
    pair = sum(found == (digest, address) for found in seen)
    same_account = sum(found[0] == digest for found in seen)
    same_address = sum(found[1] == address for found in seen)
    if pair >= PER_PAIR or same_account >= PER_ACCOUNT or same_address >= PER_ADDRESS:
        return None
    return SignInAttempt.objects.create(account=digest, address=address)


def strike_out(attempt: SignInAttempt) -> None:
    """It succeeded: this person's failures from this place are forgotten."""
    SignInAttempt.objects.filter(account=attempt.account, address=attempt.address).delete()


def address_of(request: HttpRequest) -> str:
    """Where a request comes from; the proxy's word is taken only where HTTPS says that there is one."""
    told = request.META.get("REMOTE_ADDR", "")
    if settings.HTTPS and (forwarded := request.headers.get("X-Forwarded-For")):
        # The last entry is our proxy's own; those before it are whatever the client sent.
        told = forwarded.rsplit(",", 1)[-1].strip()
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        # One customer holds a whole /64.
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
