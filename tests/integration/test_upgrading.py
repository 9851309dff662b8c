"""From any earlier state of the tables, and from nothing, an upgrade ends at the same ones, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.postgresql import PostgresServer

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_the_squashed_migrations_make_what_the_chain_made(vendor, tmp_path):
    if vendor == "sqlite":
        names = [str(tmp_path / "chain.sqlite3"), str(tmp_path / "squashed.sqlite3")]
        chain, squashed = _brought(f"sqlite:///{names[0]}", *names)
    else:
        server = PostgresServer()
        try:
            with psycopg.connect(server.url, autocommit=True) as link:
                link.execute("CREATE DATABASE squashed")
            chain, squashed = _brought(server.url, "postgres", "squashed")
        finally:
            server.close()
    assert len(squashed["tables"]) > 30
    assert chain["tables"] == squashed["tables"]
    assert chain["made"] == squashed["made"]
    assert chain["quiet"] == squashed["quiet"] == [True] * (len(chain["quiet"]) - 1) + [False]
    # Whoever came along the chain has the squashed ones on record too: the chain may go with the next release.
    assert set(squashed["applied"]) <= set(chain["applied"])
    assert {"toril.0001_squashed_0015_alerts", "toril_dashboard.0001_squashed_0005_sign_in"} <= set(squashed["applied"])


def test_later_migrations_add_indexes_only_while_others_write():
    released = {"queues": "0001_squashed_0015_alerts", "dashboard": "0001_squashed_0005_sign_in"}
    for app, squashed in released.items():
        for path in sorted((ROOT / app / "migrations").glob("0*.py")):
            is_of_the_chain = path.stem[:4] <= squashed.split("_")[2]
            assert is_of_the_chain or "migrations.AddIndex(" not in path.read_text(), f"{path.name}: AddIndexQuietly"


def _brought(url: str, *names: str):
    environ = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "SECRET_KEY": "x" * 50,
    }
    environ["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.upgrading", *names],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
