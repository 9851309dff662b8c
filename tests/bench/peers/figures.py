"""The figures themselves: what is run, how it is counted, what is to be reached."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from queues.protocol.adding import NewJob, add_job
from queues.protocol.keys import Keys
from tests import procfs
from tests.bench.peers.track import PYPI, ROOT, Track, node, say, toril

MANY, SOME, FEW = 30_000, 8_000, 3_000


def throughput(track: Track) -> None:
    rate = partial(partial, track.rate)
    ours, nodes, pypi, sync, logged = track.medians(
        [
            rate(toril("empty", 50), "empty", MANY),
            rate(node(), "empty", MANY),
            rate(PYPI, "empty", FEW),
            rate(toril("empty-sync", 50), "empty-sync", MANY),
            rate(toril("empty", 50), "empty", MANY, LOG_LEVEL="INFO"),
        ]
    )
    say("empty async job, concurrency 50, jobs/s: Node", ours, nodes, "≥ 1.15")
    say("the same: PyPI's bullmq", ours, pypi, "≥ 8")
    say("sync in threads, against our async", sync, ours, "≥ 0.4")
    say("with a line per start and end, against without", logged, ours, "")
    one, node_one = track.medians(
        [
            rate(toril("empty", 1), "empty", SOME, concurrency=1),
            rate(node(), "empty", SOME, concurrency=1),
        ]
    )
    say("concurrency 1, jobs/s: Node", one, node_one, "≥ 1.1")
    say("CPU of the worker per job, µs: Node", track.cpu_us(toril("empty", 50)), track.cpu_us(node()), "")
    say("  at concurrency 1", track.cpu_us(toril("empty", 1), 1), track.cpu_us(node(), 1), "")
    processes = [rate(toril("empty", 50), "empty", MANY, processes=count) for count in (1, 2, 3)]
    *fleets, ceiling = track.medians([*processes, lambda: _ceiling(track)])
    for count, found in enumerate(fleets, 1):
        say(f"{count} process{'es' if count > 1 else ''}, against Redis's ceiling", found, ceiling, "")
    say("best of them", max(fleets), ceiling, "≥ 0.8")


def _ceiling(track: Track) -> float:
    keys = track.fresh("empty")
    track.fill(keys, MANY)
    return _number([sys.executable, "-m", "tests.bench.peers.ceiling", str(MANY)], track, keys)


def adding(track: Track) -> None:
    count = 10_000

    def ours(mode: str) -> float:
        keys = track.fresh("added")
        return count / _number([sys.executable, "-m", "tests.bench.peers.adding", mode, str(count)], track, keys)

    def nodes(at_once: int) -> float:
        return count / track.fill(track.fresh("added"), count, at_once=at_once) * 1000

    bulk, node_bulk, single, node_single = track.medians(
        [lambda: ours("bulk"), lambda: nodes(count), lambda: ours("single"), lambda: nodes(1)]
    )
    say("add_bulk of 10,000, jobs/s: Node's addBulk", bulk, node_bulk, "≥ 1.0")
    say("add, one after the other: Node's addBulk of 1", single, node_single, "")


def _number(command: Sequence[str], track: Track, keys: Keys) -> float:
    environment = track.environment(keys)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def latency(track: Track) -> None:
    ours, nodes = _pair(track, _pick_up, "timed")
    say("idle pick-up p99, ms: Node", ours, nodes, "≤ 5 ms")
    ours, nodes = _pair(track, _delayed, "timed")
    say("delayed job, lateness p95, ms: Node", ours, nodes, "≤ 30 ms")
    ours, nodes = _pair(track, _retried, "retried")
    say("retry, lateness p95, ms: Node", ours, nodes, "≤ 30 ms")


def _pair(track: Track, figure: Callable[[Track, Sequence[str], str], float], queue: str) -> list[float]:
    return track.medians([partial(figure, track, racer, queue) for racer in (toril(queue, 50), node())])


def _pick_up(track: Track, command: Sequence[str], queue: str) -> float:
    """From before a job is added to its processor's first line; the worker has nothing else to do."""
    count = 300
    keys = track.fresh(queue)
    track.fill(keys, 1)
    with track.running(command, keys):
        track.completed(keys, 1)
        added = {}
        for number in range(count):
            time.sleep(random.uniform(0.004, 0.03))
            job_id = f"j{number}".encode()
            at_ms = time.time() * 1000
            _add(track, keys, job_id, at_ms)
            added[job_id] = at_ms
        track.completed(keys, count + 1)
    started = track.fields(keys, list(added), "returnvalue")
    return _percentile([start - at for (start,), at in zip(started, added.values(), strict=True)], 99)


def _add(track: Track, keys: Keys, job_id: bytes, at_ms: float) -> None:
    """As a producer does it, in one blocking call."""
    job = NewJob("job", "{}", int(at_ms), id=job_id.decode())
    command = add_job(keys, job)
    script = command.script
    assert script is not None
    track.client.eval(script.source, command.args[2], *command.args[3:])


def _delayed(track: Track, command: Sequence[str], queue: str) -> float:
    count = 300
    keys = track.fresh(queue)
    track.fill(keys, 1)
    with track.running(command, keys):
        track.completed(keys, 1)
        track.fill(keys, count, options=[{"delay": random.randint(300, 4000)} for _ in range(count)])
        ids = track.completed(keys, count + 1)
    delays = {}
    with track.client.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hget(keys.base + job_id, "opts")
        for job_id, opts in zip(ids, pipe.execute(), strict=True):
            if b'"delay":' in opts:
                delays[job_id] = float(opts.split(b'"delay":')[1].split(b",")[0].split(b"}")[0])
    found = track.fields(keys, list(delays), "returnvalue", "timestamp")
    lateness = [start - added - delay for (start, added), delay in zip(found, delays.values(), strict=True)]
    return _percentile(lateness, 95)


def _retried(track: Track, command: Sequence[str], queue: str) -> float:
    count = 200
    keys = track.fresh(queue)
    with track.running(command, keys):
        track.fill(keys, count, options={"attempts": 2, "backoff": {"type": "fixed", "delay": 300}})
        ids = track.completed(keys, count)
    return _percentile([late for (late,) in track.fields(keys, ids, "returnvalue")], 95)


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def limits(track: Track) -> None:
    results = [_limited(track, toril("limited", 50)) for _ in range(min(track.rounds, 3))]
    nodes = [_limited(track, node()) for _ in range(min(track.rounds, 3))]
    used = [statistics.median(part[0] for part in found) for found in (results, nodes)]
    say("rate limit 100/s over 20 s, share used, %: Node", used[0], used[1], "≥ 97 %")
    say("  most jobs in any of its windows", *(max(part[1] for part in found) for found in (results, nodes)), "≤ 100")


def _limited(track: Track, command: Sequence[str]) -> tuple[float, float]:
    """Percent of 2,000 jobs started in the 20 s after the first, and the most of any window."""
    keys = track.fresh("limited")
    track.fill(keys, 2_600)
    with track.running(command, keys):
        track.completed(keys, 2_050)
    ids = track.client.zrange(keys("completed"), 0, -1)
    starts = sorted(start for (start,) in track.fields(keys, ids, "processedOn"))
    within = sum(start < starts[0] + 20_000 for start in starts)
    return within / 20, max(_windows(starts))


def _windows(starts: Sequence[float], length_ms: float = 1_000) -> list[int]:
    """Jobs per window as BullMQ counts them: the first job opens one, the first after its end opens the next.

    A job's stamp is taken before its call, so one that opens a window may bear a time a little before the last's end.
    """
    counts, opened = [0], starts[0]
    for start in starts:
        if start >= opened + length_ms - 3:
            counts.append(0)
            opened = start
        counts[-1] += 1
    return counts


def memory(track: Track) -> None:
    def resident() -> float:
        keys = track.fresh("timed")
        with track.running(toril("timed", 50), keys) as worker:
            track.fill(keys, 1)
            track.completed(keys, 1)
            time.sleep(2)
            return procfs.resident(worker.pid) / 2**20

    say("memory of an idle worker process, MiB", track.median(resident), None, "≤ 80 MiB")
