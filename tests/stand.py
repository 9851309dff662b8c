"""The real commands as processes, on a database and a Redis prefix of their own: for browsers, Node, benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.conftest import free_port
from tests.eventually import Stopwatch

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"
MAKE_USERS = """
from django.contrib.auth.models import Group, User
User.objects.create_superuser("ana", password={password!r})
User.objects.create_user("vera", password={password!r}, is_staff=True).groups.set([Group.objects.get(name="viewer")])
User.objects.create_user("nobody", password={password!r})
User.objects.create_user("oscar", password={password!r}, is_staff=True).groups.set([Group.objects.get(name="operator")])
"""
#: Settings whose database is made as that of others.
SAME_TABLES = dict.fromkeys(("tests.systems_settings", "tests.acceptance.storm_settings"), "tests.stand_settings")
_furnished: dict[str, bytes] = {}


class Stand:
    """ana may everything, oscar retry and pause, vera only look, nobody is not staff. `close()` ends every process."""

    def __init__(self, folder: Path, redis_url: str, prefix: str, **environ: str) -> None:
        self.folder = folder
        self.environ: Mapping[str, str] = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.stand_settings",
            "VAR_DIR": str(folder),
            "REDIS_URL": redis_url,
            "QUEUE_PREFIX": prefix,
            "PYTHONUNBUFFERED": "1",
            **environ,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""
        self._furnish()

    def _furnish(self) -> None:
        """Tables and people: made once by this process, and copied for each stand after."""
        file = self.folder / "db.sqlite3"
        made_for = self.environ["DJANGO_SETTINGS_MODULE"]
        made_for = SAME_TABLES.get(made_for, made_for)
        if made_for in _furnished and "DATABASE_URL" not in self.environ:
            self.folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_furnished[made_for])
            return
        self.manage("migrate", "--verbosity", "0")
        self.manage("shell", "--verbosity", "0", "--command", MAKE_USERS.format(password=PASSWORD))
        if file.exists() and not file.with_name(f"{file.name}-wal").exists():
            _furnished[made_for] = file.read_bytes()

    def manage(self, *arguments: str) -> str:
        """Run a management command to its end; its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environ, capture_output=True, text=True
        )
        if done.returncode:
            raise AssertionError(f"manage.py {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """A process whose output goes to `<folder>/<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=log, stderr=subprocess.STDOUT)
        self.processes[name] = process
        return process

    def web(self) -> str:
        """Start daphne as `bin/up` does and wait until it answers; its address, the same at each start."""
        port = int(self.address.rpartition(":")[2]) if self.address else free_port()
        options = ["-b", "127.0.0.1", "-p", str(port), "--ping-interval", "5", "--ping-timeout", "10"]
        process = self.start("web", sys.executable, "-m", "daphne", *options, "dashboard.asgi:application")
        self.address = f"http://127.0.0.1:{port}"
        watch = Stopwatch()
        while True:
            try:
                if httpx.get(f"{self.address}/livez", timeout=2).status_code == 200:
                    return self.address
            except httpx.TransportError:
                pass
            if process.poll() is not None or watch.is_over(30):
                raise AssertionError(f"the web did not start:\n{self.log('web')}")
            time.sleep(0.05)

    def workers(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.start("workers", sys.executable, "manage.py", "runworkers", *arguments)

    def mirror(self) -> subprocess.Popen[bytes]:
        return self.start("mirror", sys.executable, "manage.py", "runmirror")

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def signed_in(self, user: str = "ana") -> httpx.Client:
        """A client that has signed in and sends its CSRF token with every request."""
        client = httpx.Client(base_url=self.address, timeout=10)
        page = client.get("/sign-in")
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        answer = client.post(
            "/sign-in",
            data={"username": user, "password": PASSWORD, "csrfmiddlewaretoken": token},
            headers={"Referer": self.address},
        )
        assert answer.status_code in (302, 303), answer.text[:500]
        client.headers.update({"X-CSRFToken": client.cookies["toril_csrf"], "Referer": self.address})
        return client

    def stop(self, name: str) -> None:
        """End one process, as an operator would."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
