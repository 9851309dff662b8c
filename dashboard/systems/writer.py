"""Writes into the tables what workers tell of jobs. Signals come on the worker's loop, where nothing may wait for a
database: they are only noted there.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time
from contextlib import suppress
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connections, transaction
from django.utils import timezone

from dashboard.systems.endings import Note, Word, write
from dashboard.systems.telling import tell_who_asked
from queues.errors import TorilError
from queues.signals import job_completed, job_failed, job_retried, job_started, worker_stopped
from queues.systems import records
from queues.systems.faults import is_made_up
from queues.systems.settings import QUEUES

log = logging.getLogger("toril.systems")

#: Notes beyond this are dropped: whoever asks for such a row is answered from the job itself.
MOST_NOTES = 10_000
AT_ONCE = 200
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
FLUSH_S = 5.0


class Writer:
    """1. Note what is told. 2. In a thread of its own, write it in order, many in one transaction; try again where the
    database is away. 3. Add the jobs that tell who asked to be told. 4. `flush`: have written what was noted.
    """

    def __init__(self) -> None:
        self._notes: queue.SimpleQueue[Note | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def note(self, word: Word, job: Any, said: str = "") -> None:
        if job.queue not in QUEUES or is_made_up(job.data) or self._notes.qsize() > MOST_NOTES:
            # What traffic makes up has no row.
            return
        data = job.data if word == "started" else None
        self._notes.put(Note(word, job.queue, job.id, timezone.now(), said, data))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="systems' writer", daemon=True)
            self._thread.start()

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """What is noted now is written, or the time is over."""
        if self._thread is not None:
            self._notes.put(done := threading.Event())
            done.wait(timeout_s)

    def _serve(self) -> None:
        while True:
            notes = [self._notes.get()]
            with suppress(queue.Empty):
                while len(notes) < AT_ONCE:
                    notes.append(self._notes.get_nowait())
            try:
                self._write([note for note in notes if isinstance(note, Note)])
            except Exception:
                log.exception("rows of the five systems were not written")
            for note in notes:
                if isinstance(note, threading.Event):
                    note.set()

    def _write(self, notes: list[Note]) -> None:
        for pause_s in (*PAUSES_S, None):
            try:
                _together(notes)
                tell_who_asked()
                # Between two batches may be an hour, and a pool's connections are few.
                close_old_connections()
                return
            except (DatabaseFailure, TorilError) as error:
                connections.close_all()
                if pause_s is None:
                    log.error("%d rows of the five systems are behind: %s", len(notes), error)
                    return
                time.sleep(pause_s)


def _together(notes: list[Note]) -> None:
    with transaction.atomic():
        for note in notes:
            write(note)


_writer = Writer()


def begin() -> None:
    """Hear of every job of the five systems in this process, and keep what its processors write down."""
    from dashboard.systems.ledger import Ledger

    records.install(Ledger())
    for signal, hear in ((job_started, _started), (job_completed, _completed), (job_retried, _retried),
                         (job_failed, _failed), (worker_stopped, _stopped)):  # fmt: skip
        signal.connect(hear, dispatch_uid=f"toril_systems.{hear.__name__}")
    atexit.register(_writer.flush)


def _started(job: Any, **_: Any) -> None:
    _writer.note("started", job)


def _completed(job: Any, result_json: str, **_: Any) -> None:
    _writer.note("completed", job, result_json)


def _retried(job: Any, reason: str, **_: Any) -> None:
    _writer.note("retried", job, reason)


def _failed(job: Any, reason: str, **_: Any) -> None:
    _writer.note("failed", job, reason)


def _stopped(**_: Any) -> None:
    _writer.flush()
