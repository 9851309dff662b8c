"""When a delivery is tried again: after the settings' waits, not all at once, and no sooner than was asked for."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from queues.delivery.sending import Answer
from queues.options import get_options

#: How far a wait is shifted either way, so that what failed together does not come back together.
JITTER = 0.1
LONGEST_ASKED_S = 86_400.0
#: Answers by which a server says that it has too much to do, or is not there.
BUSY = frozenset({429, 502, 503, 504})


def wait_s(failures: int, answer: Answer, now: datetime) -> float | None:
    """After so many failures of this round; None: it is given up."""
    waits = get_options().webhooks.retries_s
    if failures > len(waits):
        return None
    planned = waits[failures - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    return max(planned, asked_s(answer, now))


def asked_s(answer: Answer, now: datetime) -> float:
    """What `Retry-After` asks for, in seconds or as a date; at most a day, 0 where it asks for nothing."""
    told = answer.header("retry-after").strip()
    if answer.is_ok or not told:
        return 0.0
    try:
        seconds = float(told) if told.isdecimal() else (_moment(told) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), LONGEST_ASKED_S)


def _moment(told: str) -> datetime:
    found = parsedate_to_datetime(told)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
