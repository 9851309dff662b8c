"""The commands of one worker on one queue: take a job, keep its lock, report on it, finish it, hand it back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from queues.errors import JobNotFound
from queues.options import Limiter
from queues.protocol import codec
from queues.protocol.attempts import FIELD as RUNS_FIELD
from queues.protocol.attempts import Run, runs_json
from queues.protocol.clock import now_ms
from queues.protocol.commands import Argument, Command, call_script, command, pack
from queues.protocol.keys import Keys
from queues.protocol.scripts import Script, script
from queues.protocol.taken import (
    Fetched,
    KeepJobs,
    TakenJob,
    parent_flags,
    read_fetched,
    read_moved,
    read_waiting,
)

_FETCH = "wait active prioritized events stalled limiter delayed paused meta pc"
#: What BullMQ's rateLimit writes into `limiter`: more than any limit allows.
BY_HAND = 2**53 - 1


class RunningCommands:
    """Every command is a value; nothing here does I/O. A `token` is what a job's lock holds.

    `fetch_next` asks a finishing command to bring the slot's next job with its answer, under the same token.
    """

    def __init__(
        self, keys: Keys, *, name: str, lock_ms: int, limiter: Limiter | None = None, metrics: int = 0
    ) -> None:
        self.keys = keys
        #: Becomes each job's processedBy.
        self.name = name
        self.lock_ms = lock_ms
        self.limiter = {"max": limiter.max, "duration": limiter.duration_ms} if limiter else None
        #: How many minutes of BullMQ's own metrics lists are kept; 0 writes none.
        self.metrics = metrics
        self._fetch_keys = keys.many(_FETCH)
        self._marker = keys("marker")
        self._finish_options = lru_cache(maxsize=1024)(self._pack_finish_options)
        #: What every such call begins with, up to the job's own key: each job that runs makes one.
        self._finishing = {target: self._begin_finishing(target) for target in ("completed", "failed")}

    # --- taking

    def fetch(self, token: str) -> Command[Fetched]:
        """Move the next job to active and lock it. Reads as Fetched."""
        keys = (*self._fetch_keys, self._marker)
        return call_script("moveToActive", keys, (self.keys.base, now_ms(), self._fetch_options(token)), read_fetched)

    def await_marker(self, block_s: float) -> Command[float | None]:
        """Block until the queue has news, and take the note. Reads as the time (ms) at which there is work, or None."""
        return command("BZPOPMIN", self._marker, block_s, read=lambda reply: float(reply[2]) if reply else None)

    def put_marker(self) -> Command[Any]:
        """Wake a waiting worker, as BullMQ's scripts do (addBaseMarkerIfNeeded)."""
        return command("ZADD", self._marker, 0, "0")

    def forget_id(self, raw_id: bytes) -> list[Command[Any]]:
        """Take an id whose job was removed out of active."""
        return [
            command("LREM", self.keys("active"), -1, raw_id),
            command("SREM", self.keys("stalled"), raw_id),
            command("DEL", self.keys.base + raw_id + b":lock"),
        ]

    def forget_ghost(self, raw_id: bytes) -> list[Command[Any]]:
        """The same where the fetch itself made a hash again; until it goes, no producer can make a job of that id."""
        return [*self.forget_id(raw_id), command("DEL", self.keys.base + raw_id)]

    def drop_fields(self, job: TakenJob, names: Sequence[bytes]) -> Command[Any]:
        return command("HDEL", self.keys.base + job.raw_id, *names)

    # --- keeping

    def extend(self, jobs: Sequence[tuple[bytes, str]]) -> Command[list[bytes]]:
        """Renew the locks of (raw id, token) pairs. Reads as the ids whose lock is not ours any more."""
        ids, tokens = [job_id for job_id, _ in jobs], [token for _, token in jobs]
        return call_script(
            "extendLocks", [self.keys("stalled")], [self.keys.base, pack(tokens), pack(ids), self.lock_ms], list
        )

    def recover_stalled(self, max_count: int, interval_ms: int) -> Command[list[str]]:
        """Put back what lost its lock since the last check, by whichever worker. Reads as the ids put back."""
        return call_script(
            "moveStalledJobsToWait",
            self.keys.many("stalled wait active stalled-check meta paused marker events repeat"),
            [max_count, self.keys.base, now_ms(), interval_ms],
            lambda reply: [codec.text(job_id) for job_id in reply],
        )

    def active_ids(self) -> Command[list[bytes]]:
        return command("LRANGE", self.keys("active"), 0, -1)

    def lock_tokens(self, raw_ids: Sequence[bytes]) -> Command[list[bytes | None]]:
        return command("MGET", *(self.keys.base + job_id + b":lock" for job_id in raw_ids))

    # --- reporting

    def progress(self, job: TakenJob, value_json: str) -> Command[None]:
        return call_script(
            "updateProgress",
            (self.keys.base + job.raw_id, self.keys("events"), self.keys("meta")),
            (job.raw_id, value_json),
            self._exists(job),
        )

    def notify(self, job: TakenJob, told: Sequence[str]) -> Command[None]:
        """An event of the job's own: its name, then fields and values in turns."""
        keys = (self.keys.base + job.raw_id, self.keys("events"), self.keys("meta"))
        return call_script("notify", keys, (job.raw_id, *told), self._exists(job))

    def log(self, job: TakenJob, line: str) -> Command[None]:
        key = self.keys.base + job.raw_id
        keep = "" if job.options.keep_logs is None else job.options.keep_logs
        return call_script("addLog", (key, key + b":logs"), (job.raw_id, line, keep), self._exists(job))

    def update_data(self, job: TakenJob, data_json: str) -> Command[None]:
        return call_script("updateData", [self.keys.base + job.raw_id], [data_json], self._exists(job))

    def children_values(self, job: TakenJob) -> Command[dict[str, Any]]:
        """Reads as what the finished children returned, by their key `<prefix>:<queue>:<id>`, as Node's
        getChildrenValues has it; None where that is not JSON.
        """
        return command("HGETALL", self.keys.base + job.raw_id + b":processed", read=_values)

    # --- limiting

    def limit(self, duration_ms: int) -> Command[Any]:
        """Let nobody who minds the rate limit start a job for so long, as BullMQ's rateLimit does."""
        return command("SET", self.keys("limiter"), BY_HAND, "PX", duration_ms)

    def limited_by_hand(self) -> Command[int]:
        """Reads as the milliseconds for which somebody has limited the queue so; 0 where nobody has."""
        return call_script("getRateLimitTtl", self.keys.many("limiter meta"), [BY_HAND], lambda reply: max(0, reply))

    # --- finishing

    def complete(
        self, job: TakenJob, token: str, value_json: str, keep: KeepJobs, *, fetch_next: bool
    ) -> Command[Fetched]:
        return self._finish(job, token, "completed", "returnvalue", value_json, keep, fetch_next)

    def fail(
        self, job: TakenJob, token: str, reason: str, stacktrace_json: str, keep: KeepJobs, *, fetch_next: bool
    ) -> Command[Fetched]:
        fields = self._fields(job, reason, stacktrace_json)
        return self._finish(job, token, "failed", "failedReason", reason, keep, fetch_next, fields)

    def delay(
        self, job: TakenJob, token: str, reason: str, stacktrace_json: str, delay_ms: int, *, fetch_next: bool
    ) -> Command[Fetched]:
        """The attempt failed; the next is due in `delay_ms`."""
        return self._move_to_delayed(job, token, delay_ms, self._fields(job, reason, stacktrace_json), fetch_next)

    def postpone(self, job: TakenJob, token: str, delay_ms: int, *, fetch_next: bool) -> Command[Fetched]:
        """Run it again in `delay_ms`; no attempt is counted."""
        return self._move_to_delayed(job, token, delay_ms, b"", fetch_next)

    def retry(self, job: TakenJob, token: str, reason: str, stacktrace_json: str) -> Command[Fetched]:
        """The attempt failed; the next may start at once."""
        before, after = "active wait paused", "meta events delayed prioritized pc marker stalled"
        push = "RPUSH" if job.options.is_lifo else "LPUSH"
        return call_script(
            "retryJob",
            (*self.keys.many(before), self.keys.base + job.raw_id, *self.keys.many(after)),
            (self.keys.base, now_ms(), push, job.raw_id, token, self._fields(job, reason, stacktrace_json)),
            read_moved,
        )

    def hand_back(self, raw_id: bytes, token: str) -> Command[Fetched]:
        """Put an unfinished job at the head of the queue; no attempt is counted. Raises LockLost."""
        return call_script(
            "moveJobFromActiveToWait",
            self.keys.many("active wait stalled paused meta limiter prioritized marker events"),
            (raw_id, token, self.keys.base + raw_id),
            read_moved,
        )

    def wait_for_children(self, job: TakenJob, token: str) -> Command[Fetched]:
        """Run it again when its children are done; no attempt is counted. Raises NoChildPending, having changed
        nothing, LockLost, or Refused because a child failed.
        """
        key = self.keys.base + job.raw_id
        return call_script(
            "moveToWaitingChildren",
            (
                *self.keys.many("active waiting-children"),
                key,
                key + b":dependencies",
                key + b":unsuccessful",
                *self.keys.many("stalled events"),
            ),
            (token, "", now_ms(), job.raw_id),
            read_waiting,
        )

    def next_iteration(
        self, job: TakenJob, next_ms: int | None, data_json: bytes, options: dict[str, Any]
    ) -> Command[Any]:
        """Add the scheduler's next job; of `every` schedulers the script reckons the time itself."""
        before, after = "repeat delayed wait paused meta prioritized marker id events pc", "active"
        return call_script(
            "updateJobScheduler",
            (*self.keys.many(before), self.keys.base + job.raw_id, *self.keys.many(after)),
            (
                "" if next_ms is None else next_ms,
                job.scheduler_id,
                data_json,
                pack(options),
                now_ms(),
                self.keys.base,
                job.raw_id,
            ),
        )

    def _move_to_delayed(
        self, job: TakenJob, token: str, delay_ms: int, fields: bytes, fetch_next: bool
    ) -> Command[Fetched]:
        """Without `fields` no attempt is counted: it has not failed."""
        before, after = "marker active prioritized delayed", "events meta stalled wait limiter pc"
        return call_script(
            "moveToDelayed",
            (*self.keys.many(before), self.keys.base + job.raw_id, *self.keys.many(after)),
            (
                self.keys.base,
                now_ms(),
                job.raw_id,
                token,
                delay_ms,
                "0" if fields else "1",
                fields,
                "1" if fetch_next else "0",
                self._fetch_options(token),
            ),
            read_moved,
        )

    def _finish(
        self,
        job: TakenJob,
        token: str,
        target: str,
        field: str,
        value: str,
        keep: KeepJobs,
        fetch_next: bool,
        fields: bytes = b"",
    ) -> Command[Fetched]:
        begin, metrics = self._finishing[target]
        return Command(
            (
                *begin,
                self.keys.base + job.raw_id,
                metrics,
                self._marker,
                job.raw_id,
                now_ms(),
                field,
                value,
                target,
                "1" if fetch_next else "",
                self.keys.base,
                self._finish_options(token, keep, job.options.attempts, job.options.parent_flags),
                *((fields,) if fields else ()),
            ),
            read_fetched,
            _finish_script(),
        )

    def _begin_finishing(self, target: str) -> tuple[tuple[Argument, ...], bytes]:
        found = _finish_script()
        return ("EVALSHA", found.sha, found.key_count, *self._fetch_keys, self.keys(target)), self.keys(
            "metrics:" + target
        )

    def _fetch_options(self, token: str) -> bytes:
        return pack({"token": token, "lockDuration": self.lock_ms, "limiter": self.limiter, "name": self.name})

    def _pack_finish_options(self, token: str, keep: KeepJobs, attempts: int, flags: tuple[bool, ...]) -> bytes:
        return pack(
            {
                "token": token,
                "name": self.name,
                "keepJobs": dict(keep),
                "limiter": self.limiter,
                "lockDuration": self.lock_ms,
                "attempts": attempts,
                "maxMetricsSize": self.metrics or "",
                **parent_flags(flags),
            }
        )

    def _fields(self, job: TakenJob, reason: str, stacktrace_json: str) -> bytes:
        run = Run(job.attempts_made + 1, job.processed_on_ms, now_ms(), self.name)
        runs = runs_json(job.runs, run)
        return pack(["failedReason", reason, "stacktrace", stacktrace_json, RUNS_FIELD, runs])

    def _exists(self, job: TakenJob) -> Any:
        def read(reply: Any) -> None:
            if reply == -1:
                raise JobNotFound(self.keys.queue, job.id)

        return read


def _finish_script() -> Script:
    found = script("moveToFinished")
    if found.key_count != 14:
        raise ValueError(f"moveToFinished takes {found.key_count} keys, not 14")
    return found


def _values(reply: Any) -> dict[str, Any]:
    return {codec.text(key): codec.parse_json(codec.text(value)) for key, value in codec.pairs(reply).items()}
