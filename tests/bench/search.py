"""A search over a million mirrored jobs: every single filter, alone and with free text, on SQLite and on PostgreSQL.

BENCH_ROWS (1,000,000) says how many; BENCH_ROUNDS (20) how often each is asked; BENCH_DATABASES picks
sqlite,postgresql. No peer: no dashboard for BullMQ searches.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))
BATCH = 2_000
REACH_MS = 150
SPAN_MS = 30 * 86_400_000
COLUMNS = (
    "connection queue job_id timestamp_ms state name data opts delay_ms priority processed_on_ms finished_on_ms"
    " attempts_started attempts_made stalled_count progress return_value failed_reason stacktrace parent_key"
    " scheduler_id deduplication_id deferred_failure processed_by problems removed_at synced_at change holder"
).split()
WORDS = [
    a + b
    for a in "bru tal mor sen kip lod fen gar hul jas nor pel quo rit sav tum ulm vex wyn zor".split()
    for b in "a eb ic od un ar est ing om ux ell ip ob uch ad es il ot uy ank enta orma iste ulpa".split()
]
ERRORS = (
    "TimeoutError: no answer from {}.example after {} ms",
    "TypeError: cannot read {} of undefined at {}",
    "Connection refused: {}:{}",
    "RateLimitError: {} asks to wait {} s",
    "ValidationError: {} is no number: {}",
)
STATES = ("completed",) * 90 + ("failed",) * 6 + ("waiting",) * 2 + ("delayed", "active")
FILTERS = (
    "queue:queue-3", "queue:queue-39", "state:failed", "state:completed", "state:active", "name:summarize",
    "name:send-7", "name:send*", "name:*mmari*", "error:timeout", "error:*efused*", "attempts:>=3", "attempts:1",
    "worker:web-3", "worker:web-*", "data.user.id:4242", "data.model:large", "data.user.id:*", "since:2h", "since:7d",
    "before:7d", "is:removed", "-state:completed", "-name:summarize",
)  # fmt: skip
#: In half of all jobs, in some, in few, in none; the beginning of many; in two parts.
TEXTS = ("", "bruta", "moring", "zorulpa", "nowhere", "sen*", '"bruta talesi"')


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    for name in os.environ.get("BENCH_DATABASES", "sqlite,postgresql").split(","):
        with tempfile.TemporaryDirectory(prefix="toril-bench-") as folder:
            print(f"\n{name}: {ROWS:,} rows; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
            if name == "sqlite":
                _run(folder, f"sqlite:///{folder}/db.sqlite3")
                continue
            from tests.postgresql import PostgresServer

            server = PostgresServer()
            try:
                _run(folder, server.url)
            finally:
                server.close()


def _run(folder: str, url: str) -> None:
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "DATABASE_URL": url,
        "SECRET_KEY": "bench",
        "VAR_DIR": folder,
    }
    subprocess.run([sys.executable, "-m", "tests.bench.search", folder], env=environ, check=True)


# --- in a process of its own, on one database


def measure(folder: str) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    fill()
    _lead()
    sizes(Path(folder))
    asyncio.run(_ask())


def fill() -> None:
    """The jobs as the mirror writes them, and their terms as it makes them."""
    from django.db import connection, transaction

    from queues.lookups.search.entries import entry
    from queues.mirror.indexing import index
    from queues.mirror.vocabulary import Vocabulary
    from queues.models import Job

    words = Vocabulary()
    into = f"INSERT INTO toril_job (id, {', '.join(COLUMNS)}) VALUES (%s{', %s' * len(COLUMNS)})"  # noqa: S608
    made, began = 0.0, time.perf_counter()
    for start in range(0, ROWS, BATCH):
        rows = [job(n) for n in range(start, min(start + BATCH, ROWS))]
        entries = [(row["id"], entry(Job(**row))) for row in rows]
        at = time.perf_counter()
        with transaction.atomic():
            index(entries)
            words.learn([(Job(**row), one) for row, (_, one) in zip(rows[:200], entries[:200], strict=True)])
        made += time.perf_counter() - at
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(into, [(row["id"], *[row[name] for name in COLUMNS]) for row in rows])
    print(f"  filled in {time.perf_counter() - began:,.0f} s; terms stored: {ROWS / made:,.0f} jobs/s", flush=True)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def job(n: int) -> dict[str, Any]:
    """The nth of them, always the same; ids and times grow together, as they do where a mirror follows."""
    from django.utils import timezone

    pick = random.Random(n)
    now_ms = int(time.time() * 1000)
    added = now_ms - SPAN_MS + SPAN_MS * n // ROWS
    state = pick.choice(STATES)
    is_over = state in ("completed", "failed")
    text = " ".join(["bruta"] * pick.randrange(2) + pick.choices(WORDS, k=10))
    queue = min(int(pick.paretovariate(0.6)) - 1, 39)
    error = pick.choice(ERRORS).format(pick.choice(WORDS), pick.randrange(9_000)) if state == "failed" else ""
    data = {"user": {"id": pick.randrange(100_000), "plan": pick.choice(["free", "pro"])}, "prompt": text,
            "model": pick.choice(["small", "large"]), "tokens": pick.randrange(4_000)}  # fmt: skip
    return dict.fromkeys(COLUMNS, "") | {
        "id": n + 1,
        "connection": "default",
        "queue": f"queue-{queue}",
        "job_id": f"{pick.getrandbits(64):016x}-{n}" if n % 2 else str(n),
        "timestamp_ms": added,
        "state": state,
        "name": pick.choice(["summarize", "classify", "embed", *[f"send-{k}" for k in range(20)]]),
        "data": json.dumps(data),
        "opts": '{"attempts":3}',
        "delay_ms": 0,
        "priority": 0,
        "processed_on_ms": added + 40 if is_over or state == "active" else None,
        "finished_on_ms": added + 40 + pick.randrange(3_000) if is_over else None,
        "attempts_started": 1,
        "attempts_made": pick.choice([1, 1, 1, 2, 3]) if is_over else 0,
        "stalled_count": 0,
        "failed_reason": error,
        "stacktrace": json.dumps([f"{error}\n  at line"]) if error else "",
        "processed_by": f"web-{pick.randrange(8)}:{pick.randrange(900)}" if is_over else "",
        "removed_at": timezone.now() if is_over and n < ROWS * 0.7 else None,
        "synced_at": timezone.now(),
        "change": n + 1,
    }


def _lead() -> None:
    from queues.mirror.leader import Leader
    from queues.models import Cursor

    Leader(lasts_s=10_000).try_take()
    Cursor.objects.update_or_create(name="search", defaults={"at": ROWS})


def sizes(folder: Path) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database()), pg_total_relation_size('toril_job')")
            whole, jobs = cursor.fetchone()
        else:
            whole = sum(file.stat().st_size for file in folder.glob("db.sqlite3*"))
            cursor.execute("SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'toril_job%'")
            jobs = cursor.fetchone()[0]
    print(f"  rows {jobs / 1e6:,.0f} MB, search {(whole - jobs) / 1e6:,.0f} MB", flush=True)


async def _ask() -> None:
    from queues.lookups import search

    took: dict[str, list[float]] = {}
    found: dict[str, Any] = {}
    for number in range(ROUNDS):
        for text in queries():
            query = search.parse(text, int(time.time() * 1000))
            began = _clock()
            page = await search.page(query, search.Seen())
            if number or ROUNDS == 1:
                took.setdefault(text, []).append((_clock() - began) * 1000)
            found[text] = page
    worst = sorted(took, key=lambda text: -_p95(took[text]))
    print(f"  {len(took)} searches × {ROUNDS - 1}; the slowest (median, p95 ms, found):")
    for text in worst[: int(os.environ.get("BENCH_SHOWN", "12"))]:
        page = found[text]
        total = f"{page.total}{'+' if page.is_least else ''}"
        print(f"    {text:45}{statistics.median(took[text]):8.1f}{_p95(took[text]):8.1f}{total:>8}")
    every = [ms for times in took.values() for ms in times]
    late = [text for text in took if _p95(took[text]) > REACH_MS]
    print(f"  of all: median {statistics.median(every):.1f}, p95 {_p95(every):.1f} ms; over {REACH_MS} ms: {len(late)}")
    began = time.perf_counter()
    counted = 0
    async for keys in search.matching(search.parse("state:failed", 0), search.Seen()):
        counted += len(keys)
    rate = counted / (time.perf_counter() - began)
    print(f"  all {counted:,} of state:failed collected: {rate:,.0f} jobs/s", flush=True)


def queries() -> Iterator[str]:
    for text in TEXTS:
        for one in FILTERS:
            yield f"{one} {text}".strip()
        if text:
            yield text


#: BENCH_CLOCK=cpu counts this process's own work: for a machine that others use too, and SQLite.
_clock = time.process_time if os.environ.get("BENCH_CLOCK") == "cpu" else time.perf_counter


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


if __name__ == "__main__":
    main()
