"""Everything broken on purpose for ten minutes under 500 jobs a second, and the account that is given of it.

bin/bench faults [--minutes 10] [--rate 500] [--seed N] [--database sqlite|postgresql|both]

A whole installation: two webs, two workers, two mirrors, a Redis with an append-only file; people on its pages, a
program at its socket, operations, webhooks, alerts. Prints a table, and for each run a line of JSON; ends with 1
where a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from pathlib import Path

import django


def main() -> int:
    options = _options()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from tests.faults.storm.running import storm

    databases = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
    codes = []
    for database in databases:
        folder = Path(options.keep or tempfile.mkdtemp(prefix="toril-storm-")).resolve() / database
        folder.mkdir(parents=True)
        told = {"rate": options.rate, "seed": options.seed, "database": database, "pause_s": options.pause}
        told["brief"] = options.brief
        account = asyncio.run(storm(folder, seconds=options.minutes * 60, **told))
        for name, value in account.figures.items():
            print(f"{name:34} {value}")
        for sentence in account.broken:
            print(f"BROKEN  {sentence}")
        print(json.dumps({**account.figures, "broken": account.broken}, ensure_ascii=False), flush=True)
        codes.append(bool(account.broken))
    return max(codes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench faults", description="Break everything, and count.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=500, help="jobs a second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between two faults of a kind")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="sqlite")
    parser.add_argument("--brief", action="store_true", help="twelve faults, each once where --minutes 0 says so")
    parser.add_argument("--keep", help="a folder for what the processes say; it is left there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
