"""Where teams outgrow one machine: 2,000 queues, five million jobs in one, 10,000 jobs/s, 1,000 viewers, a long soak.

`--figures queues,deep,passing,viewers,soak` picks some; `--queues 2000 --jobs 5000000 --rate 10000 --viewers 1000`
and `--minutes 60` say how much. A soak lets a week pass for what forgets (tests/bench/peers/week.py). No peer does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import time
from contextlib import AsyncExitStack, ExitStack

import django
import httpx
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.bench._ground import PREFIX, Ground, Samples, cores, ground, resident, say_times, times, visitor

#: Makes jobs inside Redis: ARGV are the first and last number, the state's key, its kind, and what each holds.
PLANT = """
local id, list = tonumber(ARGV[1]), {}
for n = id, tonumber(ARGV[2]) do
  redis.call('HSET', KEYS[1] .. n, unpack(ARGV, 4))
  if ARGV[3] == 'list' then list[#list + 1] = n else list[#list + 1] = 1760000000000 + n; list[#list + 1] = n end
  if #list >= 4000 then redis.call(ARGV[3] == 'list' and 'LPUSH' or 'ZADD', KEYS[2], unpack(list)); list = {} end
end
if #list > 0 then redis.call(ARGV[3] == 'list' and 'LPUSH' or 'ZADD', KEYS[2], unpack(list)) end
"""
PER_SESSION = 40
#: States of the deep queue, their share of all its jobs, and the kind of key.
DEEP = (("completed", 0.7, "zset"), ("failed", 0.1, "zset"), ("wait", 0.2, "list"))


def main() -> None:
    given = _options()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for name in given.figures.split(","):
        load = os.getloadavg()[0]
        print(f"\n{name}; load {load:.1f} on {os.cpu_count()} cores", flush=True)
        FIGURES[name](given)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench scale", description=__doc__)
    parser.add_argument("--figures", default=",".join(FIGURES))
    parser.add_argument("--queues", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=5_000_000)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--viewers", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=20)
    return parser.parse_args()


def queues(given: argparse.Namespace) -> None:
    """Pages over many queues; the mirror takes them all in, and keeps up with a job in each of some."""
    with ground() as on:
        _plant_queues(on.client, given.queues)
        mirror, began = on.stand.mirror(), time.monotonic()
        on.stand.web()
        with visitor(on.stand) as ana:
            _there(ana, f"queue-{given.queues - 1:04}")
            paths = {
                "overview, warm": "/admin/queues",
                "overview, filtered": "/admin/queues?q=queue-19",
                "schedulers": "/admin/queues/job-schedulers",
                "workers": "/admin/queues/workers",
                "metrics": "/admin/queues/metrics-history",
                "API: queues, 100 of them": "/api/v1/queues?limit=100",
                "/metrics": "/metrics",
            }
            say_times(f"{given.queues} queues", times(ana, paths, given.rounds), 1_000)
            before = _calls(on.client)
            ana.get("/admin/queues")
            print(f"  Redis commands of one overview: {_calls(on.client) - before}")
        _mirrored(on, given.queues, began)
        print(f"  memory: web {resident(on.stand.processes['web']):.0f} MB, mirror {resident(mirror):.0f} MB")


def _plant_queues(client: redis.Redis, count: int) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(count):
            base = f"{PREFIX}:queue-{number:04}:"
            pipe.hset(f"{base}meta", "version", "bullmq:6.7.0")
            for job in range(1, 6):
                pipe.hset(f"{base}{job}", mapping={"name": "send", "data": '{"to":1}', "timestamp": 1760000000000})
                pipe.lpush(f"{base}wait", job)
        pipe.execute()


def _mirrored(on: Ground, count: int, began: float) -> None:
    deadline = began + 600
    asked = "from queues.models import Job; print(Job.objects.count())"
    while (rows := int(on.stand.manage("shell", "--verbosity", "0", "--command", asked))) < count * 5:
        if time.monotonic() > deadline:
            break
        time.sleep(2)
    print(f"  the mirror had {rows:,} of {count * 5:,} jobs {time.monotonic() - began:.0f} s after its start")


def deep(given: argparse.Namespace) -> None:
    """One queue with millions of jobs: its pages wherever one looks, and how long Redis stood still for them."""
    with ground() as on:
        began = time.monotonic()
        last = _plant_deep(on.client, given.jobs)
        used = on.client.info("memory")["used_memory"] / 2**30
        print(f"  {last:,} jobs planted in {time.monotonic() - began:.0f} s, {used:.1f} GB of Redis")
        on.client.config_set("slowlog-log-slower-than", 10_000)
        on.client.slowlog_reset()
        on.stand.web()
        base = "/admin/queues/queue/deep"
        far = int(given.jobs * 0.7) // 50
        paths = {
            "overview": "/admin/queues",
            "waiting, page 1": f"{base}?status=waiting",
            "completed, page 1": f"{base}?status=completed",
            "completed, last page": f"{base}?status=completed&page={far}",
            "failed, middle": f"{base}?status=failed&page={given.jobs // 10 // 100}",
            "failed, by error": f"{base}?status=failed&text=timeout",
            "one job": f"{base}/{last // 2}",
            "search, no mirror": "/admin/queues/search?q=queue:deep+state:failed+timeout",
            "API: 100 failed": "/api/v1/queues/deep/jobs?state=failed&limit=100",
        }
        with visitor(on.stand) as ana:
            print(f"  the queue was there {_there(ana, 'deep'):.1f} s after the first page was asked for")
            say_times(f"{given.jobs:,} jobs", times(ana, paths, given.rounds), 300)
        slow = on.client.slowlog_get(20)
        longest = max((one["duration"] / 1000 for one in slow), default=0.0)
        print(f"  commands over 10 ms in Redis: {len(slow)}, the longest {longest:.0f} ms")
        print(f"  memory of the web: {resident(on.stand.processes['web']):.0f} MB")


def _there(ana: httpx.Client, queue: str) -> float:
    """Until the overview names a queue; while Redis is walked for queues it may say so."""
    began = time.monotonic()
    while f"/queue/{queue}" not in ana.get("/admin/queues").text:
        time.sleep(0.1)
    return time.monotonic() - began


def _plant_deep(client: redis.Redis, count: int) -> int:
    base, plant, first = f"{PREFIX}:deep:", client.register_script(PLANT), 1
    client.hset(f"{base}meta", "version", "bullmq:6.7.0")
    fields = ["name", "send", "data", json.dumps({"to": "ana"}), "opts", '{"attempts":3}', "timestamp", 1760000000000]
    for state, share, kind in DEEP:
        held = [*fields, *(["failedReason", "TimeoutError: no answer"] if state == "failed" else [])]
        last = first + int(count * share) - 1
        for start in range(first, last + 1, 20_000):
            plant(keys=[base, f"{base}{state}"], args=[start, min(start + 19_999, last), kind, *held])
        first = last + 1
    client.set(f"{base}id", first)
    return first - 1


def _calls(client: redis.Redis) -> int:
    return int(client.info("stats")["total_commands_processed"]) - 1


def passing(given: argparse.Namespace, for_s: float = 30.0) -> None:
    """Jobs rush through: what the pages cost then, how far behind the mirror is, and that it comes back."""
    with ground() as on:
        stand = on.stand
        stand.web()
        stand.mirror()
        stand.workers("--queues", "empty")
        told: dict[str, list[float]] = {}
        with visitor(stand) as ana:
            paths = {"overview": "/admin/queues", "the queue": "/admin/queues/queue/empty?status=completed"}
            times(ana, paths, 2)
            before, began = on.ended(), time.monotonic()
            with on.pouring(given.rate, for_s) as pour:

                def look() -> None:
                    while pour.poll() is None:
                        for name, took in times(ana, paths, 1).items():
                            told.setdefault(name, []).extend(took)
                        time.sleep(0.5)

                shares = cores(stand.processes, look)
                added, took_s = json.loads(pour.stdout.read() if pour.stdout else "[0, 1]")
            ran = on.ended() - before
            say_times(f"{given.rate} jobs/s", told, 300)
            rate = ran / (time.monotonic() - began)
            print(f"  added {added / took_s:,.0f}/s, ended {rate:,.0f}/s")
            print("  shares of a core: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
            _caught_up(ana)


def _caught_up(ana: httpx.Client) -> None:
    """Until the mirror says that it is less than 2 s behind."""
    began = time.monotonic()
    lag = 0.0
    while time.monotonic() - began < 600:
        lag = _lag(ana)
        if lag < 2:
            break
        time.sleep(1)
    print(f"  the mirror was less than 2 s behind {time.monotonic() - began:.0f} s after the rush ({lag:.1f} s)")


def _lag(ana: httpx.Client) -> float:
    for line in ana.get("/metrics").text.splitlines():
        if line.startswith("toril_mirror_lag_seconds"):
            return float(line.rpartition(" ")[2])
    return 0.0


def viewers(given: argparse.Namespace, for_s: float = 30.0) -> None:
    """Open tabs that all look at the overview while 200 jobs/s pass: what is pushed, how late, what it costs."""
    with ground() as on:
        stand = on.stand
        stand.web()
        stand.workers("--queues", "empty")
        asyncio.run(_view(on, given.viewers, for_s))


async def _view(on: Ground, count: int, for_s: float) -> None:
    from tests.tabs import cookie_of  # names models: once Django is set up

    with ExitStack() as people:
        # A session has a bound of its own; a browser with so many tabs is nobody's.
        sessions = [people.enter_context(visitor(on.stand)) for _ in range(-(-count // PER_SESSION))]
        address = f"{on.stand.address.replace('http', 'ws')}/admin/queues/live?queue=empty"
        async with AsyncExitStack() as stack:
            opened: list[ClientConnection] = []
            began = time.monotonic()
            for ana in sessions:
                headers, origin = cookie_of(ana), on.stand.address
                some = (
                    stack.enter_async_context(
                        connect(address, additional_headers=headers, origin=origin, open_timeout=120)
                    )
                    for _ in range(min(PER_SESSION, count - len(opened)))
                )
                opened += await asyncio.gather(*some)
            print(f"  {len(opened)} sockets of {len(sessions)} sessions in {time.monotonic() - began:.0f} s")
            heard = [0] * len(opened)
            tasks = [asyncio.create_task(_hear(ws, heard, at)) for at, ws in enumerate(opened)]
            pour = on.pouring(200, for_s)
            shares = await asyncio.to_thread(cores, on.stand.processes, pour.wait)
            took = await asyncio.to_thread(times, sessions[0], {"overview beside them": "/admin/queues"}, 20)
            say_times(f"{count} viewers", took, 300)
            closed = sum(ws.close_code is not None for ws in opened)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    print(
        f"  each heard {min(heard)} to {max(heard)} pushes in {for_s:.0f} s, {closed} were closed;"
        f" web {shares['web']:.0%} of a core, {resident(on.stand.processes['web']):.0f} MB"
    )


async def _hear(ws: ClientConnection, heard: list[int], at: int) -> None:
    try:
        async for _ in ws:
            heard[at] += 1
    except ConnectionClosed:
        pass


def soak(given: argparse.Namespace) -> None:
    """2,000 jobs/s for so long, while a week passes for what the mirror forgets: memory, rows and pages stay flat."""
    for_s = given.minutes * 60
    with ground(WEEK_IN_S=str(for_s)) as on:
        stand = on.stand
        stand.web()
        stand.mirror()
        stand.workers("--queues", "empty")
        told = {f"{name}, MB": (lambda p=process: resident(p)) for name, process in stand.processes.items()}
        told["Redis, MB"] = lambda: on.client.info("memory")["used_memory"] / 2**20
        told["database, MB"] = lambda: sum(f.stat().st_size for f in on.folder.glob("db.sqlite3*")) / 2**20
        with visitor(stand) as ana:
            told["mirror behind, s"] = lambda: _lag(ana)
            told["overview, ms"] = lambda: times(ana, {"o": "/admin/queues"}, 1)["o"][0]
            with Samples(told, max(2.0, for_s / 240)) as seen, on.pouring(2_000, for_s) as pour:
                shares = cores(stand.processes, pour.wait)
                added, took_s = json.loads(pour.stdout.read() if pour.stdout else "[0, 1]")
        print(f"  added {added:,} jobs, {added / took_s:,.0f}/s; {on.ended():,} ended")
        print("  shares of a core: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
        for name, values in seen.found.items():
            middle, p95 = statistics.median(values), statistics.quantiles(values, n=20)[-1]
            ends = f"{values[0]:8.1f} at first, {values[-1]:8.1f} at last"
            print(f"  {name:20}{ends}, median {middle:.1f}, p95 {p95:.1f}; {seen.slope(name):+.1f} per hour")
        for asked in ("Job", "Sample"):
            code = f"from queues.models import {asked}; print({asked}.objects.count())"
            print(f"  rows of {asked}: {int(stand.manage('shell', '--verbosity', '0', '--command', code)):,}")


FIGURES = {"queues": queues, "deep": deep, "passing": passing, "viewers": viewers, "soak": soak}

if __name__ == "__main__":
    main()
