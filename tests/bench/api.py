"""Schemathesis against /api/v1, as admin, operator and viewer: no 5xx, no answer that the document does not know."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import RedisServer
from tests.fuzzing import Fuzz, words
from tests.stand import Stand

PREFIX = "bull"
#: Requests per role; FUZZ_REQUESTS names another number.
MOST = int(os.environ.get("FUZZ_REQUESTS", "20000"))
ROLES = {"ana": "admin", "oscar": "operator", "vera": "viewer"}


def main() -> None:
    answered: set[str] = set()
    known: set[str] = set()
    bad = 0
    for user in (os.environ.get("FUZZ_USERS") or ",".join(ROLES)).split(","):
        with tempfile.TemporaryDirectory() as folder:
            report = _run(Path(folder), user)
        answered |= report.answered
        known |= set(report.statuses)
        bad += len(report.failures)
    print(f"\nall roles: {100 * len(answered) / len(known):.0f} % of {len(known)} operations answered 2xx")
    sys.exit(1 if bad else 0)


def _run(folder: Path, user: str):  # type: ignore[no-untyped-def]
    server = RedisServer(folder)
    told = {"DJANGO_SETTINGS_MODULE": "tests.fuzz_settings", "CHAT_QUEUE_CONCURRENCY": "500"}
    stand = Stand(folder / "stand", server.url, PREFIX, **told)
    try:
        stand.web()
        stand.workers("--drain-timeout", "0")
        stand.mirror()
        began = time.monotonic()
        report = Fuzz(stand, user).run(MOST)
        took = time.monotonic() - began
        print(f"\n== {ROLES[user]}: {report.requests / took:.0f} requests/s, {took:.0f} s")
        print("\n".join(words(report)))
        if report.count(500):
            print(stand.log("web")[-20_000:])
        return report
    except AssertionError:
        print(stand.log("web")[-3000:])
        raise
    finally:
        stand.close()
        server.stop()


if __name__ == "__main__":
    main()
