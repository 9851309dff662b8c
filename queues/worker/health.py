"""Whether a worker lives and whether it works, judged beside its loop: a blocked loop cannot speak for itself."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import FrameType

from queues.errors import TorilError
from queues.protocol.commands import command
from queues.runs.journal import line
from queues.worker.engine import Engine
from queues.worker.probes import Report, Verdict
from queues.worker.worker import Worker

log = logging.getLogger("queues.worker")

TICK_S = 0.5
PING_EVERY_S = 2.0
#: A loop that stands so long is said once, with what holds it.
WARN_S = 5.0
#: An idle engine asks every two seconds, a limited one every five: with this and its own period a probe is red in 15 s.
LATE_S = 10.0
#: A job that blocks the loop keeps its lock, and a restart would only end it; so long it is taken for lost.
BLOCKED_S = 300.0
STACK_LINES = 12


class Health:
    """1. Watch that the worker's loop turns, and say once when it does not.
    2. Watch that Redis answers.
    3. Judge: `report` may be called in any thread and never waits.

    Make it before the worker starts, in the worker's loop.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker, self._loop = worker, asyncio.get_running_loop()
        self._thread = threading.get_ident()
        now = time.monotonic()
        self._began = self._asked = self._turned = self._answered = now
        self._has_answered, self._has_warned = False, False
        self._trouble = ""
        #: Why the worker takes no more jobs, once it ends.
        self.ending = ""
        worker.aside.add("health", self._watch_loop)
        worker.aside.add("health of Redis", self._watch_redis)

    # --- in the aside's thread

    async def _watch_loop(self) -> None:
        while True:
            if self._turned >= self._asked:
                self._asked = time.monotonic()
                self._worker.aside.tell(self._has_turned)
            elif self.stands_s > WARN_S and not self._has_warned:
                self._has_warned = True
                say_beside(log.warning, "%s; its stack:\n%s", self._standing(), self._stack())
            await asyncio.sleep(TICK_S)

    def _has_turned(self) -> None:
        if self._has_warned:
            self._has_warned = False
            log.warning("the loop turns again after %.1f s", self.stands_s)
        self._turned = time.monotonic()

    async def _watch_redis(self) -> None:
        while True:
            try:
                await self._worker.aside.wire.call(command("PING"))
            except TorilError as error:
                self._trouble = str(error)
            else:
                self._answered, self._has_answered = time.monotonic(), True
            await asyncio.sleep(PING_EVERY_S)

    # --- verdicts

    @property
    def stands_s(self) -> float:
        """How long the worker's loop has not turned."""
        return time.monotonic() - self._asked if self._turned < self._asked else 0.0

    def report(self) -> Report:
        worker = self._worker
        facts = {"name": worker.name, "pid": os.getpid(), "running": worker.running, "finished": worker.finished}
        return Report(self._live(), self._ready(), {**facts, "rss_mib": rss_mib()})

    def _live(self) -> Verdict:
        if self.stands_s < LATE_S:
            return Verdict(True)
        return Verdict(self._blame() is not None and self.stands_s < BLOCKED_S, (self._standing(),))

    def _ready(self) -> Verdict:
        reasons = tuple(self._obstacles())
        return Verdict(not reasons, reasons)

    def _obstacles(self) -> Iterator[str]:
        if self.ending:
            yield self.ending
        if self.stands_s >= LATE_S:
            yield self._standing()
        silent_s = time.monotonic() - self._answered
        if not self._has_answered or silent_s > LATE_S:
            yield f"Redis has not answered for {silent_s:.0f} s. {self._trouble}".rstrip()
        for engine in self._worker.engines:
            if engine.is_quiet:
                yield f"{line(engine.name)} is quiet: it takes no new jobs"
            elif engine.free > 0 and (late_s := self._late_s(engine)) > LATE_S:
                yield f"{line(engine.name)} has had no answer to its asking for jobs for {late_s:.0f} s"

    def _late_s(self, engine: Engine) -> float:
        return time.monotonic() - max(engine.last_answer, self._began)

    def _standing(self) -> str:
        since = datetime.now(UTC).timestamp() - self.stands_s
        when = f"since {datetime.fromtimestamp(since, UTC):%H:%M:%S}Z ({self.stands_s:.0f} s)"
        where = self._frames()[-1:]
        at = f" at {os.path.basename(where[0].filename)}:{where[0].lineno} in {where[0].name}" if where else ""
        return f"the loop has stood still {when}: {self._blame() or 'no job'} blocks it{at}"

    def _blame(self) -> str | None:
        """The job whose processor holds the loop just now."""
        task = asyncio.current_task(self._loop)
        for engine in self._worker.engines:
            for run in list(engine.running.values()):
                if task is not None and run.task is task:
                    return f"{line(engine.name)} {line(run.taken.id)} “{line(run.taken.name)}”"
        return None

    def _frames(self) -> list[traceback.FrameSummary]:
        frame: FrameType | None = sys._current_frames().get(self._thread)
        return [] if frame is None else list(traceback.extract_stack(frame))

    def _stack(self) -> str:
        return "".join(traceback.format_list(self._frames()[-STACK_LINES:])).rstrip()


def say_beside(say: Callable[..., None], *words: object) -> None:
    """Log this, and wait for nobody. Perhaps the loop stands in the writing of a line that is not read: whoever logs
    then stands as well, and that must not be the thread that renews the locks of all jobs.
    """
    threading.Thread(target=say, args=words, name="log", daemon=True).start()


def rss_mib() -> float:
    """This process's resident memory."""
    try:
        with open("/proc/self/statm", "rb") as pages:
            return round(int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
    except OSError:
        import resource

        # Its peak, where the system does not tell more; in bytes on macOS.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
