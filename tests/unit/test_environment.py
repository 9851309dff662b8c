"""What the settings take from outside, in processes of their own: a bad value ends the start in one sentence."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dashboard import environment
from queues.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
REPORT = """
import json
from django.conf import settings as s
print(json.dumps({name: getattr(s, name) for name in NAMES}, default=str))
"""


def start(tmp_path: Path, code: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {
        "PATH": os.environ["PATH"],
        "VAR_DIR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    command = [sys.executable, "-c", code] if code else [sys.executable, "manage.py", "check"]
    return subprocess.run(
        command, cwd=ROOT, env=clean | environ, capture_output=True, text=True, timeout=60, check=False
    )


def settings(tmp_path: Path, *names: str, **environ: str) -> dict[str, Any]:
    answer = start(tmp_path, REPORT.replace("NAMES", repr(names)), **environ)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEBUG", "maybe"),
        ("HTTPS", "2"),
        ("USE_JOB_QUEUE", "perhaps"),
        ("TORIL_DEMO", "sometimes"),
        ("REDIS_URL", "localhost"),
        ("REDIS_PORT", "x"),
        ("DATABASE_URL", "mysql://u@h/db"),
        ("DATABASE_URL", "nonsense"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("ROOT_PATH", "/a b"),
        ("VAR_DIR", "/proc/nowhere"),
    ],
)
def test_a_bad_variable_ends_the_start_with_one_sentence_that_names_it(tmp_path, variable, value):
    answer = start(tmp_path, **{variable: value})
    assert answer.returncode == 1
    assert variable in answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr


def test_daphnes_start_ends_in_the_same_sentence(tmp_path):
    answer = start(tmp_path, "import dashboard.asgi", USE_JOB_QUEUE="perhaps")
    assert answer.returncode == 1
    assert answer.stderr == "USE_JOB_QUEUE must be true or false, not 'perhaps'.\n"


def test_the_defaults_are_the_safe_ones(tmp_path):
    found = settings(
        tmp_path, "DEBUG", "ALLOWED_HOSTS", "DEMO", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_AGE", "TORIL"
    )
    assert found["DEBUG"] is False
    assert found["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert found["DEMO"] is False
    assert found["SESSION_COOKIE_AGE"] == 12 * 3600
    assert found["TORIL"]["CONNECTIONS"]["default"] == {"URL": "redis://localhost:6379", "PREFIX": "bull"}


def test_the_demonstration_runs_on_the_embedded_server_alone_unless_it_is_asked_for(tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "redis-url").write_text("redis://:p@127.0.0.1:1\n")
    assert settings(tmp_path, "DEMO")["DEMO"] is True
    assert settings(tmp_path, "DEMO", REDIS_URL="redis://h")["DEMO"] is False
    assert settings(tmp_path, "DEMO", REDIS_URL="redis://h", TORIL_DEMO="1")["DEMO"] is True
    assert settings(tmp_path, "DEMO", TORIL_DEMO="0")["DEMO"] is False


def test_the_demonstrations_queues_hear_the_environment(tmp_path):
    found = settings(tmp_path, "TORIL", TORIL_DEMO="1", CHAT_QUEUE_CONCURRENCY="9")
    assert found["TORIL"]["QUEUES"]["chat"]["concurrency"] == 9


def test_a_secret_key_is_made_once_for_its_owner_alone(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        keys = {found["SECRET_KEY"] for found in pool.map(lambda _: settings(tmp_path, "SECRET_KEY"), range(4))}
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    file = tmp_path / "var" / "secret-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in file.parent.iterdir()] == ["secret-key"]


def test_a_key_that_is_set_is_not_kept(tmp_path):
    assert settings(tmp_path, "SECRET_KEY", SECRET_KEY="mine")["SECRET_KEY"] == "mine"
    assert not (tmp_path / "var" / "secret-key").exists()


def test_the_process_goes_before_env_local_and_that_before_env(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("TORIL_A=env\nTORIL_B=env\nTORIL_C=env\n")
    (tmp_path / ".env.local").write_text("TORIL_B=local\nTORIL_C=local\n")
    for name in ("TORIL_A", "TORIL_B"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORIL_C", "process")
    found = environment.read_environment(tmp_path)
    assert [found[f"TORIL_{name}"] for name in "ABC"] == ["env", "local", "process"]
    monkeypatch.delenv("TORIL_A")
    monkeypatch.delenv("TORIL_B")


@pytest.mark.parametrize(
    ("host", "also"),
    [
        ("", []),
        ("127.0.0.1", []),
        ("192.0.2.7", ["192.0.2.7"]),
        ("::1", []),
        ("fd00::7", ["[fd00::7]"]),
        ("ci.local", ["ci.local"]),
    ],
)
def test_the_host_that_is_listened_on_is_allowed(host, also):
    assert environment.allowed_hosts({"HOST": host}) == ["localhost", "127.0.0.1", "[::1]", *also]


def test_listening_everywhere_does_not_allow_every_host():
    hosts = environment.allowed_hosts({"HOST": "0.0.0.0"})  # noqa: S104
    assert len(hosts) == 4
    assert "*" not in hosts
    assert environment.allowed_hosts({"ALLOWED_HOSTS": "a, b"}) == ["a", "b"]


# --- the database


def database(url: str, tmp_path: Path) -> dict[str, Any]:
    return environment.database({"DATABASE_URL": url}, tmp_path, tmp_path / "var")


def test_sqlite_is_opened_for_many_readers_and_one_patient_writer(tmp_path):
    found = database("", tmp_path)
    assert found["NAME"] == tmp_path / "var" / "db.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["OPTIONS"]["timeout"] == 20
    assert "journal_mode=WAL" in found["OPTIONS"]["init_command"]
    assert database("sqlite:///data/my.db", tmp_path)["NAME"] == tmp_path / "data/my.db"
    assert database("sqlite:////abs/my.db", tmp_path)["NAME"] == Path("/abs/my.db")


def test_postgresql_is_reached_through_a_pool(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: name)
    found = database("postgres://u:p%40@h:5433/db?sslmode=require", tmp_path)
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == ("u", "p@", "h", 5433)
    assert found["CONN_MAX_AGE"] == 0
    assert found["OPTIONS"]["pool"]["max_size"] == 20
    assert found["OPTIONS"]["sslmode"] == "require"


def test_without_psycopg_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="pip install"):
        database("postgres://h/db", tmp_path)


@pytest.mark.parametrize("url", ["oracle://h/db", "mysql://h/db", "h/db", "postgres://h:port/db"])
def test_another_database_is_refused_by_name(url, tmp_path):
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        database(url, tmp_path)


def test_every_mistake_in_toril_is_shown_by_check(tmp_path):
    code = """
import django
from django.conf import settings
settings.TORIL = {"QUEUES": {"a:b": {}, "q": {"concurrency": 0}}, "CONNECTIONS": {"default": {"URL": "x"}}, "QEUES": 1}
django.setup()
from django.core.management import call_command
call_command("check")
"""
    shown = start(tmp_path, code).stderr
    for number in ("toril.E001", "toril.E002", "toril.E003"):
        assert number in shown
    assert shown.count("toril.E003") == 2
