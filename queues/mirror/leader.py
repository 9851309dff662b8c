"""One mirror leads per database: whoever holds the lease writes, the others wait to take over.

No clock is compared between machines: a lease is free when it was given back, when it did not change for as long as it
lasts, measured by the one who waits, or when its holder ran on this very machine and is dead. A leader that was only
slow is shut out by the epoch, which it must still hold in the transaction of everything it writes.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Now

from queues.errors import TorilError
from queues.models import Cursor, Job, Lease

NAME = "mirror"
LASTS_S = 6.0
RENEW_S = 2.0


class LeaseLost(TorilError):
    """Another process leads now; nothing of this transaction was written."""

    code = "lease_lost"
    status = 409


@dataclass(frozen=True, slots=True)
class Seen:
    """The lease as it was last seen to change, and when that was by this process's own clock."""

    value: tuple[object, ...]
    since: float


def holder_name() -> str:
    """Says where the leader is; unique even where process ids come back."""
    return f"{socket.gethostname()[:48]}:{os.getpid()}:{uuid.uuid4().hex[:8]}:{_machine()}"


@cache
def _machine() -> str:
    """Within what a process id means something: this start of this kernel, this container. Empty where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot[:18]}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def is_dead(holder: str) -> bool:
    """Whether it surely is: of another machine's processes nothing is known."""
    _, pid, _, machine = ["", "", "", *holder.rsplit(":", 3)][-4:]
    if not machine or machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Leader:
    """This process's claim to lead. Synchronous: it runs where the database is spoken to."""

    def __init__(self, name: str = NAME, lasts_s: float = LASTS_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.lasts_s, self._clock = name, lasts_s, clock
        self.holder = holder_name()
        self.epoch = 0
        self._change = 0
        self._seen: Seen | None = None

    def try_take(self) -> bool:
        """Take the lease if it is free; call again and again. True once it is ours."""
        Lease.objects.get_or_create(name=self.name)
        with transaction.atomic():
            lease = Lease.objects.select_for_update().get(name=self.name)
            if lease.holder and not is_dead(lease.holder) and not self._is_stale(lease):
                return False
            lease.holder, lease.epoch, lease.until = self.holder, lease.epoch + 1, self._until()
            lease.save()
        self.epoch, self._seen = lease.epoch, None
        self._change = _latest_change()
        return True

    def _is_stale(self, lease: Lease) -> bool:
        value = (lease.holder, lease.epoch, lease.until)
        if self._seen is None or self._seen.value != value:
            self._seen = Seen(value, self._clock())
        return self._clock() - self._seen.since >= self.lasts_s

    def renew(self) -> None:
        """Say that we are alive. Raises LeaseLost."""
        if not self._ours().update(until=self._until()):
            raise LeaseLost("Another mirror leads this database now.")

    def check(self) -> None:
        """Inside a transaction: be sure that nobody else writes until it ends. Raises LeaseLost."""
        if self._ours().select_for_update().first() is None:
            raise LeaseLost("Another mirror leads this database now.")

    def next_change(self) -> int:
        """For `Job.change`: greater than every number given before, whoever led then. A number may go unused."""
        self._change += 1
        return self._change

    def give_back(self) -> None:
        """Let the next one lead at once. Callable twice, also where it is not ours."""
        self._ours().update(holder="", until=None)
        self.epoch = 0

    def _ours(self) -> models.QuerySet[Lease]:
        return Lease.objects.filter(name=self.name, holder=self.holder, epoch=self.epoch)

    def _until(self) -> Any:
        return Now() + timedelta(seconds=self.lasts_s)


def _latest_change() -> int:
    # Rows that were pruned do not count any more, but who followed them may have come further than those that are left.
    rows = Job.objects.filter(change__gt=0).aggregate(latest=models.Max("change"))["latest"] or 0
    return max(rows, Cursor.objects.aggregate(latest=models.Max("at"))["latest"] or 0)
