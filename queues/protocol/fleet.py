"""The worker processes' heartbeats: what each tells of itself, written by one round trip and gone by itself.

All moments are milliseconds of Redis's own clock, so that hosts whose clocks differ agree. A heartbeat is as large as
`MOST_BYTES` at most, and whatever others may have written in its place is read as far as it makes sense.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import prefix, wire
from queues.protocol.keys import FleetKeys

BEAT_EVERY_S = 3.0
#: A process of which so long nothing was heard is silent: frozen, cut off, or killed; after `KEPT_S` it is forgotten.
SILENT_AFTER_S = 10.0
KEPT_S = 30.0
MOST_BYTES = 16 * 1024
#: Of what runs, the oldest; the heartbeat says how many there are in all.
MOST_RUNNING = 40
MOST_QUEUES = 100
MOST_PROCESSES = 1_000
LONGEST_TEXT = 200
#: What is addressed by its name is kept whole, as far as the mirror's columns hold it.
LONGEST_QUEUE, LONGEST_ID = 512, 1_024
#: A worker with more job names than this on a queue tells none.
MOST_NAMES = 50
STATES = ("running", "quiet", "stopping")
_ID = re.compile(r"[0-9a-zA-Z-]{1,64}")


@dataclass(frozen=True, slots=True)
class RunningJob:
    """`progress` is the job's last report, as JSON text, shortened."""

    queue: str
    id: str
    name: str = ""
    attempt: int = 1
    started_ms: int = 0
    progress: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A process's part in a queue: `used` of its `slots`, what its processors run on, when Redis last answered its
    asking for work (0 for never). `names`: the only job names it has a processor for; empty: every name, or untold.
    `limit_max` jobs per `limit_ms` is the worker's own rate limit, 0 for none.
    """

    queue: str
    slots: int = 0
    used: int = 0
    executors: tuple[str, ...] = ()
    fetched_ms: int = 0
    names: tuple[str, ...] = ()
    limit_max: int = 0
    limit_ms: int = 0


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat. `running` are the longest-running of `running_count` jobs; `lag_ms` is how long the process's
    event loop let a call wait; `cpu_percent` of one processor since the last beat; `clock_ms` how far the host's clock
    is ahead of Redis's.
    """

    id: str
    name: str = ""
    host: str = ""
    pid: int = 0
    version: str = ""
    #: What the project calls the code that runs: a version of its own, a commit.
    release: str = ""
    connection: str = ""
    state: str = "running"
    started_ms: int = 0
    beat_ms: int = 0
    queues: tuple[Share, ...] = ()
    running: tuple[RunningJob, ...] = ()
    running_count: int = 0
    rss_bytes: int = 0
    cpu_percent: float = 0.0
    lag_ms: int = 0
    clock_ms: int = 0


def is_process_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def client_name(prefix: str, queue: str, part: str) -> str:
    """A queue's connections as CLIENT LIST has them: `<prefix>:<base64 of the queue>:<part>` (PROTOCOL.md §4)."""
    return f"{prefix}:{base64.b64encode(codec.raw(queue)).decode()}:{part}"


def shown_name(worker: str) -> str:
    """A worker's name as CLIENT LIST shows it: without what Redis refuses in a client's name (PROTOCOL.md §4)."""
    return "".join(char if "!" <= char <= "~" else "_" for char in worker)


def short(text: str, limit: int = LONGEST_TEXT) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def time_command() -> Command[int]:
    """Read as Redis's clock in ms."""
    return command("TIME", read=lambda reply: int(reply[0]) * 1000 + int(reply[1]) // 1000)


def beat_commands(on: FleetKeys, beat: Beat) -> list[Command[Any]]:
    """Write a heartbeat; the last reply is Redis's clock. What is long gone leaves the list with it, and what claims to
    be of the future: no moment of Redis's clock is, and enough of it would hide those that work.
    """
    kept_ms = int(KEPT_S * 1000)
    return [
        command("SET", on.process(beat.id), written(beat), "PX", kept_ms),
        command("ZADD", on.processes, beat.beat_ms, beat.id),
        command("ZREMRANGEBYSCORE", on.processes, "-inf", f"({beat.beat_ms - kept_ms}"),
        command("ZREMRANGEBYSCORE", on.processes, f"({beat.beat_ms + kept_ms}", "+inf"),
        command("PEXPIRE", on.processes, 2 * kept_ms),
        time_command(),
    ]


def farewell_commands(on: FleetKeys, process_id: str) -> list[Command[Any]]:
    return [command("DEL", on.process(process_id)), command("ZREM", on.processes, process_id)]


def written(beat: Beat) -> bytes:
    """The heartbeat as JSON, no larger than `MOST_BYTES`: where it would be, jobs are left out, then names of
    jobs, then queues."""
    beat = replace(beat, queues=beat.queues[:MOST_QUEUES], running=beat.running[:MOST_RUNNING])
    while True:
        # ASCII: what a job is called may hold half a surrogate.
        stored = json.dumps(asdict(beat), separators=(",", ":")).encode()
        if len(stored) <= MOST_BYTES:
            return stored
        if beat.running:
            beat = replace(beat, running=beat.running[: len(beat.running) // 2])
        elif any(share.names for share in beat.queues):
            beat = replace(beat, queues=tuple(replace(share, names=()) for share in beat.queues))
        else:
            beat = replace(beat, queues=beat.queues[: len(beat.queues) // 2])


async def beats(connection: str) -> tuple[int, list[Beat]]:
    """Redis's clock, and the heartbeats that are there, by host and process. Two round trips.

    Raises RedisUnavailable, or RedisRefused where they may not be read.
    """
    on, k = wire(connection), FleetKeys(prefix(connection))
    listed, now_ms = await on.run([command("ZREVRANGE", k.processes, 0, MOST_PROCESSES - 1), time_command()])
    ids = [text for raw_id in listed if is_process_id(text := codec.text(raw_id))]
    # As much as a heartbeat may be: whoever wrote more wrote no heartbeat.
    asked = [command("GETRANGE", k.process(process_id), 0, MOST_BYTES) for process_id in ids]
    stored = await on.run(asked, return_errors=True)
    found = [
        beat
        for process_id, value in zip(ids, stored, strict=True)
        if isinstance(value, bytes) and value and (beat := read(process_id, value)) is not None
    ]
    return now_ms, sorted(found, key=lambda beat: (beat.host, beat.name, beat.pid, beat.id))


def read(process_id: str, stored: bytes) -> Beat | None:
    """The heartbeat that was stored, or None where that is none at all."""
    told = codec.parse_json(codec.text(stored))
    if not isinstance(told, Mapping):
        return None
    state = _text(told, "state")
    running = tuple(_running(one) for one in _list(told, "running")[:MOST_RUNNING])
    return Beat(
        id=process_id,
        name=_text(told, "name"),
        host=_text(told, "host"),
        pid=_whole(told, "pid"),
        version=_text(told, "version"),
        release=_text(told, "release"),
        connection=_text(told, "connection"),
        state=state if state in STATES else "running",
        started_ms=_whole(told, "started_ms"),
        beat_ms=_whole(told, "beat_ms"),
        queues=tuple(_share(one) for one in _list(told, "queues")[:MOST_QUEUES]),
        running=running,
        running_count=max(_whole(told, "running_count"), len(running)),
        rss_bytes=_whole(told, "rss_bytes"),
        cpu_percent=_number(told, "cpu_percent"),
        lag_ms=_whole(told, "lag_ms"),
        clock_ms=_whole(told, "clock_ms"),
    )


def _running(told: Mapping[str, Any]) -> RunningJob:
    return RunningJob(
        queue=_text(told, "queue", LONGEST_QUEUE),
        id=_text(told, "id", LONGEST_ID),
        name=_text(told, "name"),
        attempt=_whole(told, "attempt"),
        started_ms=_whole(told, "started_ms"),
        progress=_text(told, "progress"),
    )


def _share(told: Mapping[str, Any]) -> Share:
    executors, names = told.get("executors"), told.get("names")
    return Share(
        queue=_text(told, "queue", LONGEST_QUEUE),
        slots=_whole(told, "slots"),
        used=_whole(told, "used"),
        executors=tuple(short(str(one), 20) for one in executors[:5]) if isinstance(executors, list) else (),
        fetched_ms=_whole(told, "fetched_ms"),
        names=tuple(short(str(one)) for one in names[:MOST_NAMES]) if isinstance(names, list) else (),
        limit_max=_whole(told, "limit_max"),
        limit_ms=_whole(told, "limit_ms"),
    )


def _list(told: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    value = told.get(name)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(told: Mapping[str, Any], name: str, limit: int = LONGEST_TEXT) -> str:
    value = told.get(name)
    # Half a surrogate cannot be shown, nor stored.
    return short(value.encode("utf-8", "replace").decode(), limit) if isinstance(value, str) else ""


def _number(told: Mapping[str, Any], name: str) -> float:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < codec.LARGEST:
        return 0.0
    return float(value)


def _whole(told: Mapping[str, Any], name: str) -> int:
    return int(_number(told, name))
