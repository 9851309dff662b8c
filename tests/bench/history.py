"""A year of samples of 200 queues with 20 job names each, all busy all the time: its size, and how soon it is read.

BENCH_QUEUES (200) and BENCH_NAMES (20) make it smaller; of each name BENCH_A_MINUTE (5) jobs end in a minute;
BENCH_DATABASES=sqlite,postgresql picks. Sizes are the table's with its indexes, as the database tells them.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing

QUEUES, NAMES = int(os.environ.get("BENCH_QUEUES", "200")), int(os.environ.get("BENCH_NAMES", "20"))
DATABASES = os.environ.get("BENCH_DATABASES", "sqlite,postgresql").split(",")
ROUNDS = 5
COLUMNS = ("series_id step_s at source recorded completed failed retried run wait waiting delayed oldest_ms").split()
#: Jobs of a name in a minute: all names together run 200 × 20 times as many.
A_MINUTE = int(os.environ.get("BENCH_A_MINUTE", "5"))


def main() -> None:
    if len(sys.argv) > 1:
        _measure(sys.argv[1])
        return
    import subprocess

    for kind in DATABASES:
        with tempfile.TemporaryDirectory() as folder:
            if kind == "sqlite":
                url = f"sqlite:///{folder}/history.sqlite3"
                subprocess.run([sys.executable, "-m", "tests.bench.history", kind], check=True, env=_env(url, folder))
                continue
            from tests.postgresql import PostgresServer

            with closing(PostgresServer()) as server:
                subprocess.run(
                    [sys.executable, "-m", "tests.bench.history", kind], check=True, env=_env(server.url, folder)
                )


def _env(url: str, folder: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": url,
        "VAR_DIR": folder,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "REDIS_URL": "redis://127.0.0.1:1",
        "SECRET_KEY": "bench",
    }


def _measure(kind: str) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    rows = _fill()
    size = _size()
    busy = QUEUES * NAMES * A_MINUTE / 60
    print(
        f"{kind}, {QUEUES} queues x {NAMES} names, {busy:,.0f} jobs/s: {rows:,} rows, {size / 1e9:.2f} GB"
        f" ({size / rows:.0f} bytes a row); wanted: under 2 GB"
    )
    _keep_a_minute()
    asyncio.run(_read())


def _fill() -> int:
    from django.db import connection

    from queues.models.sample import DAY_S, KEPT_S

    now = int(time.time()) // DAY_S * DAY_S
    sql = f"INSERT INTO toril_sample ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608
    count, series = 0, _series()
    for step_s, kept_s in (*KEPT_S.items(), (DAY_S, 366 * DAY_S)):
        spare = [_histograms(step_s) for _ in range(50)]
        with connection.cursor() as cursor:
            for queue in range(QUEUES):
                rows = list(_rows(series, queue, step_s, range(now - kept_s, now, step_s), spare))
                count += len(rows)
                if connection.vendor == "postgresql":
                    with cursor.cursor.copy(f"COPY toril_sample ({', '.join(COLUMNS)}) FROM STDIN") as copy:  # type: ignore[attr-defined]
                        for row in rows:
                            copy.write_row(row)
                else:
                    cursor.executemany(sql, rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return count


def _series() -> dict[tuple[int, str], int]:
    from queues.models import Series

    names = ["", *(f"generate-report-{number:02}" for number in range(1, NAMES + 1))]
    for queue in range(QUEUES):
        for name in names:
            Series.objects.create(connection="default", queue=f"tenant-service-{queue:03}", name=name)
    return {(int(queue[-3:]), name): pk for queue, name, pk in Series.objects.values_list("queue", "name", "pk")}


def _rows(
    series: dict[tuple[int, str], int], queue: int, step_s: int, times: range, spare: list[tuple[bytes, bytes]]
) -> Iterator[tuple[object, ...]]:
    jobs = A_MINUTE * step_s // 60
    for number in range(NAMES + 1):
        name = f"generate-report-{number:02}" if number else ""
        for at in times:
            run, wait = random.choice(spare)
            backlog = (None, None, None) if name else (120, 3, 4_500)
            yield (
                series[queue, name],
                step_s,
                at,
                "w",
                0 if name else step_s // 60,
                jobs,
                jobs // 50,
                jobs // 30,
                run,
                wait,
                *backlog,
            )


def _histograms(step_s: int) -> tuple[bytes, bytes]:
    from queues import histogram

    jobs = min(20_000, A_MINUTE * step_s // 60)
    packed = []
    for middle in (-1.5, -4.0):
        counted: dict[int, int] = {}
        for _ in range(jobs):
            index = histogram.bucket(random.lognormvariate(middle, 0.8))
            counted[index] = counted.get(index, 0) + 1
        packed.append(histogram.pack(counted))
    return packed[0], packed[1]


def _size() -> int:
    from queues.lookups.sizes import table_bytes

    return table_bytes("toril_sample", "toril_series")


def _keep_a_minute() -> None:
    """The mirror's minute, every name busy; what the leader does once a minute."""
    from queues import histogram
    from queues.mirror.sample_rows import Minute, SampleRows
    from queues.mirror.samples import _parts
    from queues.protocol.samples import Ended

    class AnyLeader:
        def check(self) -> None: ...

    rows = SampleRows("default", AnyLeader())  # type: ignore[arg-type]
    took = []
    for round_ in range(3):
        minutes = []
        for queue in range(QUEUES):
            one = Minute(f"tenant-service-{queue:03}", int(time.time()) // 60 + round_, "w")
            for number in range(NAMES):
                times = {histogram.bucket(random.lognormvariate(-1.5, 0.8)): 2 for _ in range(10)}
                one.names[f"generate-report-{number + 1:02}"] = Ended(A_MINUTE, 0, 0, times, dict(times))
                one.whole.add(one.names[f"generate-report-{number + 1:02}"])
            minutes.append(one)
        began = time.process_time(), time.perf_counter()
        for part in _parts(minutes):
            rows.save(part)
        took.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    cpu, wall = statistics.median(one[0] for one in took), statistics.median(one[1] for one in took)
    print(f"  a minute of all of it taken in: {wall:.2f} s, {cpu:.2f} s of the mirror's CPU")


async def _read() -> None:
    from queues.lookups.history import RANGES, history

    for name, asked in RANGES.items():
        one = [await _timed(history("default", asked, queue="tenant-service-007")) for _ in range(ROUNDS)]
        all_ = [await _timed(history("default", asked)) for _ in range(2)]
        print(f"  {name:>3}: a queue {statistics.median(one):.0f} ms, all queues {min(all_):.0f} ms")


async def _timed(asked: object) -> float:
    began = time.perf_counter()
    await asked  # type: ignore[misc]
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
