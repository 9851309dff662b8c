"""That this process lives, said in a lease of its own; and what becomes of the jobs of those that live no more.

Of two processes that find one dead, the database lets one through: each row moves only from the dead one's hands, and
an active job's outcome is taken only from whoever still holds it.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta

from django.db import connections, models, transaction
from django.db.models.functions import Now

from queues.inprocess.adding import UNFINISHED
from queues.mirror.leader import holder_name, is_dead
from queues.models import Job, Lease
from queues.models.local import first_rank, news, ready_state, work
from queues.options import get_options
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.clock import now_ms
from queues.protocol.codec import to_json
from queues.runs.outcome import stack
from queues.states import State

log = logging.getLogger("queues.inprocess")

NAME = "in-process "
BEAT_S, LASTS_S = 5.0, 30.0
#: BullMQ's words.
STALLED = "job stalled more than allowable limit"
_HELD = [state.value for state in UNFINISHED]


class Presence:
    """1. Hold a lease while the process lives, from a thread that no job can block. 2. Set free what dead ones held."""

    def __init__(self, beat_s: float = BEAT_S, lasts_s: float = LASTS_S) -> None:
        self.id = uuid.uuid4().hex
        self._beat_s, self._lasts_s = beat_s, lasts_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Before the first job runs. Callable twice."""
        if self._thread is None:
            self.renew()
            self.release_dead()
            self._thread = threading.Thread(target=self._beat, name="in-process presence", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Give the lease back: what is left is anybody's at once. Callable twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._beat_s)
            self._thread = None
            self._ours().delete()
            self._release(self.id)
            news.ring()
            work.ring()

    def renew(self) -> None:
        until = Now() + timedelta(seconds=self._lasts_s)
        if not self._ours().update(until=until):
            Lease.objects.create(name=self._name, holder=holder_name(), until=until)

    def release_dead(self) -> None:
        """Let everybody take the jobs of processes that have ended without giving theirs back."""
        living = self._bury()
        held = Job.objects.filter(connection=LOCAL_CONNECTION, removed_at__isnull=True, state__in=_HELD).order_by()
        for holder in held.exclude(holder__in={"", self.id, *living}).values_list("holder", flat=True).distinct():
            self._release(holder)
            news.ring()
            work.ring()

    @property
    def _name(self) -> str:
        return f"{NAME}{self.id}"

    def _ours(self) -> models.QuerySet[Lease]:
        return Lease.objects.filter(name=self._name)

    def _bury(self) -> list[str]:
        """Delete the leases of the dead; the ids of the living."""
        leases = Lease.objects.filter(name__startswith=NAME)
        leases.filter(until__lt=Now()).delete()
        for lease in leases:
            if is_dead(lease.holder):
                lease.delete()
        return [name.removeprefix(NAME) for name in leases.values_list("name", flat=True)]

    def _release(self, holder: str) -> None:
        held = Job.objects.filter(connection=LOCAL_CONNECTION, holder=holder, removed_at__isnull=True).order_by()
        held.filter(state__in=_HELD).exclude(state=State.ACTIVE.value).update(holder="")
        for job in held.filter(state=State.ACTIVE.value):
            with transaction.atomic():
                self._stalled(job)

    def _stalled(self, job: Job) -> None:
        """Active, and whoever ran it is gone: it runs again, or fails where that happened too often."""
        mine = Job.objects.filter(pk=job.pk, state=State.ACTIVE.value, holder=job.holder)
        count = job.stalled_count + 1
        log.warning("%s %s lost its process (%d)", job.queue, job.job_id, count)
        if count > get_options().queue(job.queue).max_stalled_count:
            stacks = to_json(stack(job.stacks, STALLED, None))
            ended = {"failed_reason": STALLED, "stacktrace": stacks, "finished_on_ms": now_ms()}
            mine.update(state=State.FAILED.value, stalled_count=count, holder="", **ended)
        else:
            mine.update(state=ready_state(), stalled_count=count, holder="", rank=first_rank())

    def _beat(self) -> None:
        try:
            while not self._stop.wait(self._beat_s):
                try:
                    self.renew()
                    self.release_dead()
                except Exception:
                    # The database is away: what it holds then cannot be taken by others either.
                    log.warning("the lease of this process could not be renewed", exc_info=True)
                    connections.close_all()
        finally:
            connections.close_all()
