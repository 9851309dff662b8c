"""Slows the guessing of passwords: per person and place, per person, and per place, over all web processes.

django-axes counts, at each question that Django's own `authenticate` answers; here stands how many are answered.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.db.models import Sum
from django.http import HttpRequest

from dashboard.sign_in.proxies import address_of

#: How many failures are evaluated before ten quiet minutes; the rest are refused unread. The first is low, so that a
#: stranger who knows a name shuts out only their own address with it. In the order of `AXES_LOCKOUT_PARAMETERS`.
PER_PAIR, PER_ACCOUNT, PER_ADDRESS = LIMITS = (5, 20, 50)
WINDOW_MINUTES = 10
_LOCKS = tuple(Lock() for _ in range(64))


class Attempts(AxesDatabaseHandler):  # type: ignore[misc]
    """Three limits, where axes knows one for all it counts by."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """1 where too many have failed, else 0: `AXES_FAILURE_LIMIT` is 1."""
        counted = zip(self.get_user_attempts(request, credentials), LIMITS, strict=True)
        sums = ((found.aggregate(sum=Sum("failures_since_start"))["sum"] or 0, most) for found, most in counted)
        return int(any(failed >= most for failed, most in sums))

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        """The last one that is looked at is answered as one that was."""
        was_refused = getattr(request, "axes_locked_out", False)
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is not None:
            request.axes_locked_out = was_refused  # type: ignore[attr-defined]

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """It succeeded: this person's failures from this place are forgotten, and nobody else's."""
        deleted: int = self.filter_user_attempts(request, credentials)[0].delete()[0]
        return deleted


def account(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """What stands for a name in axes' tables and log: its digest, for people type passwords into the wrong field."""
    return digest(str((credentials or {}).get("username", "")))


def digest(name: str) -> str:
    return hashlib.sha256(name.strip().casefold().encode("utf-8", "replace")).hexdigest()


def place(request: HttpRequest) -> str:
    """The address as axes' column takes it."""
    found = address_of(request).partition("/")[0]
    return "0.0.0.0" if found == "unknown" else found  # noqa: S104


def one_at_a_time(name: str) -> AbstractContextManager[Any]:
    """Guesses at one account wait for each other: axes counts them after they were looked at, so of many that come at
    once all would be.
    """
    return _LOCKS[int(digest(name)[:8], 16) % len(_LOCKS)]
