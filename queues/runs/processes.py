"""The child processes in which CPU-bound processors run (`executor="process"`).

Not the standard library's pool: killing one of its processes breaks them all, so it cannot end one job. Nor
`multiprocessing`: its children import the main module again, and a process more watches over them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from queues.errors import JobNotFound
from queues.processors import Processor
from queues.protocol.taken import TakenJob
from queues.runs import frames, journal
from queues.runs.child import Order
from queues.runs.ending import End
from queues.runs.job import PlainJob
from queues.runs.outcome import Failed, Outcome

log = logging.getLogger("queues.worker")
T = TypeVar("T")

#: What a processor gets to end by itself after it sees `job.cancelled`, before its process is killed.
CANCEL_S = 5.0
STOP_S = 0.5
#: What it gets to import the project.
START_S = 60.0
#: How long a process whose socket ended may take to be gone, and one that was told to end.
GONE_S = 1.0
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from queues.runs.child import main; main({}, {})"


class ChildDied(Exception):
    """`is_untouched`: it died before it heard of the job, which is none the worse for it."""

    def __init__(self, sentence: str, is_untouched: bool = False) -> None:
        super().__init__(sentence)
        self.is_untouched = is_untouched


class ChildProcess:
    """One process; it runs one job at a time."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        #: Done when the process is.
        self.gone = asyncio.create_task(process.wait(), name=f"child process {process.pid}")

    @classmethod
    async def start(cls) -> ChildProcess:
        """It is not ready before it says so, but takes its first order at once."""
        ours, theirs = socket.socketpair()
        code = _START.format(theirs.fileno(), os.getpid())
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", code, json.dumps(sys.path)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        return cls(process, *await asyncio.open_unix_connection(sock=ours))

    async def run(self, order: Order, run: ProcessRun) -> Outcome:
        """Raises ChildDied."""
        job = run.job
        try:
            self._say("run", order)
            while True:
                # Only its start has a limit here.
                async with asyncio.timeout(START_S if run.began is None else None):
                    kind, *words = await self._unless_gone(frames.read(self._reader))
                if kind == "done":
                    outcome: Outcome
                    outcome, job._has_seen = words
                    return outcome
                if kind == "began":
                    run.began = time.monotonic()
                elif kind == "ask":
                    self._say(*await self._unless_gone(_answer(job, words[0], words[1])))
                elif kind == "broken":
                    raise ChildDied(f"The job's process could not start: {words[0]}")
        except TimeoutError:
            raise ChildDied(f"The job's process did not start within {START_S:g} s") from None
        except (EOFError, ConnectionError):
            raise ChildDied(await self._epitaph(), is_untouched=run.began is None) from None

    def cancel(self) -> None:
        self._say("cancel")

    def kill(self) -> None:
        self._writer.close()
        if not self.gone.done():
            self._process.kill()

    async def end(self) -> None:
        """Let it end by itself, if it is idle; else kill it. Callable twice."""
        self._writer.close()
        # Not wait_for, here and below: where both ends come together, Python 3.11's loses a cancellation.
        await asyncio.wait({self.gone}, timeout=GONE_S)
        self.kill()
        await self.gone

    def _say(self, *words: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(frames.pack(words))

    async def _unless_gone(self, doing: Coroutine[Any, Any, T]) -> T:
        """The socket alone would not do: what the processor forked keeps it open. Raises EOFError."""
        task = asyncio.ensure_future(doing)
        try:
            await asyncio.wait({task, self.gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                # What it said last may lie in the socket still.
                await asyncio.wait({task}, timeout=STOP_S)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        raise EOFError

    async def _epitaph(self) -> str:
        await asyncio.wait({self.gone}, timeout=GONE_S)
        if not self.gone.done():
            return "The job's process closed its socket and was given up"
        if (code := self.gone.result()) >= 0:
            return f"The job's process ended with exit code {code} before the job was done"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = "; perhaps it ran out of memory" if name == "SIGKILL" else ""
        return f"The job's process died of {name} before the job was done{hint}"


class ProcessRun:
    """One job in a child process, or on its way to one."""

    def __init__(self, processor: Processor, taken: TakenJob, job: PlainJob[Any], processes: Processes) -> None:
        self.job, self._processes = job, processes
        self.began: float | None = None
        self._child: ChildProcess | None = None
        self._kill: asyncio.TimerHandle | None = None
        function, model = processor.function, processor.model
        order = Order(
            taken, job.queue, _place(function), _place(model) if model else None, processor.timeout_s, job.worker
        )
        self.future = asyncio.create_task(self._run(order))

    def end(self, how: End) -> None:
        self.job._is_cancelled = True
        if self._child is None:
            self.future.cancel()
        elif how is End.TIMEOUT:
            self._child.kill()
        else:
            self._child.cancel()
            self._kill_in(CANCEL_S if how is End.CANCEL else STOP_S, self._child)

    def is_cut_short(self, how: End) -> bool:
        return self.job._has_seen

    async def _run(self, order: Order) -> Outcome:
        while True:
            try:
                child, is_new = await self._processes.take()
            except OSError as error:
                return self._failed(f"The job's process could not be started: {error}")
            try:
                return await self._run_in(child, order)
            except ChildDied as death:
                if not death.is_untouched or self.job._is_cancelled or is_new:
                    return self._failed(str(death))

    async def _run_in(self, child: ChildProcess, order: Order) -> Outcome:
        self._child, is_sound = child, False
        try:
            outcome = await child.run(order, self)
            is_sound = True
            return outcome
        finally:
            self._child = None
            if self._kill is not None:
                self._kill.cancel()
            self._processes.put_back(child, is_sound)

    def _failed(self, reason: str) -> Failed:
        if not self.job._is_cancelled:
            log.warning("%s: %s", journal.line(repr(self.job)), reason)
        return Failed(reason, reason)

    def _kill_in(self, seconds: float, child: ChildProcess) -> None:
        if self._kill is not None:
            self._kill.cancel()
        self._kill = asyncio.get_running_loop().call_later(seconds, child.kill)


class Processes:
    """Started as they are needed, one for each job at work, and used again. `stop` is callable twice."""

    def __init__(self) -> None:
        self._idle: list[ChildProcess] = []
        self._all: set[ChildProcess] = set()
        self._starting: set[asyncio.Task[ChildProcess]] = set()

    def start(self, processor: Processor, taken: TakenJob, job: PlainJob[Any]) -> ProcessRun:
        return ProcessRun(processor, taken, job, self)

    async def take(self) -> tuple[ChildProcess, bool]:
        """A child, and whether it is a new one: another may have died meanwhile."""
        if self._idle:
            return self._idle.pop(), False
        starting = asyncio.create_task(self._start(), name="start of a child process")
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        try:
            return await asyncio.shield(starting), True
        except asyncio.CancelledError:
            starting.add_done_callback(self._unclaimed)
            raise

    def put_back(self, child: ChildProcess, is_sound: bool) -> None:
        if is_sound:
            self._idle.append(child)
        else:
            child.kill()
            child.gone.add_done_callback(lambda _: self._all.discard(child))

    async def stop(self) -> None:
        """End what is idle, kill what is not."""
        if self._starting:
            await asyncio.wait(self._starting)
        self._idle.clear()
        await asyncio.gather(*(child.end() for child in self._all))
        self._all.clear()

    async def _start(self) -> ChildProcess:
        child = await ChildProcess.start()
        self._all.add(child)
        return child

    def _unclaimed(self, starting: asyncio.Task[ChildProcess]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._idle.append(starting.result())


async def _answer(job: PlainJob[Any], verb: str, words: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "answer", await getattr(job._reporter, verb)(*words)
    except JobNotFound:
        return "gone", (job.queue, job.id)
    except Exception as error:
        return "error", str(error)


def _place(thing: Any) -> tuple[str, str]:
    return thing.__module__, thing.__qualname__
