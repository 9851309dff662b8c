"""Starts everything of one Toril and stays until it is asked to end: see bin/up."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from house.child import Child
from house.keeper import Keeper
from house.lock import SharedLock
from house.plan import Plan, PortInUse
from house.supervisor import ChildDied, Interrupted, Supervisor
from house.virtualenv import ROOT
from house.voice import painted, say, write
from queues import options
from queues.errors import RedisUnavailable, TorilError
from queues.protocol.embedded import EmbeddedServer, connection_version, server_version

USAGE = """\
usage: bin/up    starts Toril and stays; Ctrl-C ends it

Reads HOST, PORT, REDIS_URL (or REDIS_HOST, REDIS_PORT, REDIS_PASSWORD, …), DATABASE_URL, USE_JOB_QUEUE, TORIL_DEMO,
TORIL_ADMIN_USER and TORIL_ADMIN_PASSWORD from the environment, then .env.local, then .env."""
# An earlier web that is just ending still holds the port for a moment.
PORT_PATIENCE_S = 2.0
ADOPTION_PATIENCE_S = 15.0
VALKEY_START_S = 60.0
WEB_START_S = 60.0
# Longer than the worker's own deadline, after which it hands back what it runs.
WORKER_PATIENCE_S = 40.0
# The web finishes actions that were begun; bulk ones work for up to five seconds.
WEB_PATIENCE_S = 15.0


class NotStarted(Exception):
    """What stood in the way, as a sentence."""


def run(arguments: Sequence[str]) -> int:
    """The exit code: 0 after a stop that was asked for."""
    if arguments:
        print(USAGE)
        return 0 if set(arguments) <= {"-h", "--help"} else 2
    os.chdir(ROOT)
    try:
        return Start(Plan.read(ROOT)).run()
    except TorilError as error:
        return _complain(str(error))


class Start:
    """One start, from the checks to the goodbye. Its duties, in order:

    1. Redis: the person's own, or the embedded one, started or adopted. 2. Database and admin user. 3. Workers, mirror
    and web; when the web answers, sample traffic. 4. Say where it is. 5. Stay until a signal or a death.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.valkey = EmbeddedServer(plan.var / "valkey", plan.var / "redis-url")
        self.has_adopted = False
        self.login: dict[str, Any] = {}

    def run(self) -> int:
        write(f"{painted('Toril', '1')} starts in {self.plan.root}")
        self._wait_for_port()
        with SharedLock(self.plan.var / "up.lock") as lock:
            with Supervisor(Keeper(lock.path), lock.is_last) as self.supervisor:
                code = self._live()
            if self.has_adopted and lock.is_last():
                say("stopping", "valkey")
                self.valkey.stop()
        say("stopped", "nothing is left running; bin/up goes on from here")
        return code

    def _live(self) -> int:
        try:
            self._begin()
            self.supervisor.run_until(lambda: self.has_adopted and not self.valkey.is_running())
            return _complain("The Valkey that was running already has ended.")
        except Interrupted:
            write("")
            return 0
        except ChildDied as died:
            return _complain(f"{died}; its last lines:\n" + "\n".join(f"    {line}" for line in died.child.lines))
        except (TorilError, NotStarted) as error:
            return _complain(str(error))
        finally:
            self._show_password()  # it is kept nowhere else, and a start that failed has made it all the same

    def _begin(self) -> None:
        if not self.plan.has_queue:
            say("redis", "none: USE_JOB_QUEUE is false, and jobs run inside the web process")
        elif self.plan.redis_url:
            self._check_redis()
        else:
            self._start_valkey()
        self._prepare()
        self._start_processes()
        self._announce()

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + PORT_PATIENCE_S
        while True:
            try:
                return self.plan.check_port()
            except PortInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _check_redis(self) -> None:
        try:
            told = options.redis_connection(self.plan.environ)
            configured = options.load({"CONNECTIONS": {"default": told}}).connection()
            version = connection_version(configured)
        except RedisUnavailable as error:
            said = str(error).rstrip(".")
            raise NotStarted(f"{said}. Start it, or unset REDIS_URL and REDIS_HOST to use the embedded one.") from None
        say("redis", f"{version} at {configured.safe_url}")

    def _start_valkey(self) -> None:
        held = self._claim_or_adopt()
        if held is None:
            self.has_adopted = True
            self.supervisor.keeper.watch_shared(self.valkey.pid)
            say("redis", f"goes on with the {server_version(self.valkey.url)} that still runs here")
            return
        try:
            child = self._child("valkey", self.valkey.configure(), is_quiet=True, is_shared=True, inherits=(held,))
            self.supervisor.start([child])
        finally:
            os.close(held)
        if not self.supervisor.run_until(self.valkey.answers, VALKEY_START_S):
            raise NotStarted(f"The embedded Valkey did not answer within {VALKEY_START_S:.0f} s.")
        say("redis", f"{server_version(self.valkey.url)}, embedded, its data in {self._shown(self.valkey.folder)}")

    def _claim_or_adopt(self) -> int | None:
        """The lock for a server of our own, or None once the one that runs already has answered."""
        deadline = time.monotonic() + ADOPTION_PATIENCE_S
        while (held := self.valkey.claim()) is None:
            if self.valkey.answers():
                return None
            if time.monotonic() > deadline:
                where = self._shown(self.valkey.folder)
                raise NotStarted(
                    f"A Valkey (process {self.valkey.pid}) holds {where} and does not answer; end it first."
                )
            self.supervisor.run_until(timeout_s=0.1)
        return held

    def _prepare(self) -> None:
        child = self._child(
            "database", [sys.executable, str(ROOT / "bin" / "house" / "prepare.py")], is_quiet=True, may_end=True
        )
        try:
            self.supervisor.run_to_end(child)
        except ChildDied as died:
            if died.child is child and (error := _answer(child).get("error")):
                raise NotStarted(error) from None
            raise
        self.login = _answer(child)
        say("database", f"{self.login['database']} is up to date")

    def _start_processes(self) -> None:
        behind = [self._worker(), self._mirror()] if self.plan.has_queue else []
        if not self.login["has_processors"]:
            who = "worker" if behind else "jobs"
            say(who, "none, for there is no processor yet: docs/processors.md shows how to write one")
            behind = behind[1:]
        self.supervisor.start(behind)
        self.supervisor.start([self._child("web", self._web_command(), patience_s=WEB_PATIENCE_S)])
        say("starting", ", ".join(["web", *(child.name for child in behind)]))
        if not self.supervisor.run_until(self._web_answers, WEB_START_S):
            raise NotStarted(f"The web did not answer at {self.plan.address} within {WEB_START_S:.0f} s.")
        if self.plan.has_demo:
            self.supervisor.start([self._child("traffic", self.plan.manage("demo"), is_quiet=True)])

    def _worker(self) -> Child:
        # Sample jobs by the second would push the address off the screen; the dashboard shows them better.
        level = "ERROR" if self.plan.has_demo else "INFO"
        return self._child("worker", self.plan.manage("runworkers"), log_level=level, patience_s=WORKER_PATIENCE_S)

    def _mirror(self) -> Child:
        return self._child("mirror", self.plan.manage("runmirror"))

    def _web_command(self) -> list[str]:
        # The pings drop readers that have stopped reading; daphne would buffer for them without end.
        where = ["-b", self.plan.host, "-p", str(self.plan.port)]
        pings = ["--ping-interval", "5", "--ping-timeout", "10"]
        return [sys.executable, "-m", "daphne", "-v", "0", *where, *pings, "dashboard.asgi:application"]

    def _web_answers(self) -> bool:
        line = http.client.HTTPConnection(self.plan.reachable_host, self.plan.port, timeout=1)
        try:
            line.request("GET", "/livez")
            return line.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    def _announce(self) -> None:
        write(f"\n{painted('Toril answers at', '1')} {painted(f'{self.plan.address}/admin/queues/', '1;36')}")
        say("user", self.login["user"])
        if not self._show_password():
            reset = f".venv/bin/python manage.py changepassword {self.login['user']}"
            say("password", "from TORIL_ADMIN_PASSWORD" if self.login["is_new"] else f"as it was; {reset} sets another")
        if self.plan.has_queue and not self.plan.redis_url:
            say("redis", f"{self.valkey.url} (for Node programs; kept in {self._shown(self.valkey.url_file)})")
        if self.plan.has_demo:
            say(
                "samples",
                "about two sample jobs a second; LOG_LEVEL=INFO bin/up shows each, TORIL_DEMO=0 leaves them out",
            )
        say("ctrl-c", "ends all of it, in order; nothing is lost")
        write("")

    def _show_password(self) -> bool:
        """Once and never again; whether there was one to show."""
        password = self.login.pop("password", "")
        if password:
            say("password", f"{painted(password, '1')} (of “{self.login['user']}”; shown this once)")
        return bool(password)

    def _child(self, name: str, command: Sequence[str], log_level: str = "WARNING", **more: Any) -> Child:
        environment = {"LOG_LEVEL": log_level, **self.plan.environ}
        return Child(name, command, environment=environment, folder=ROOT, **more)

    def _shown(self, path: Any) -> str:
        return os.path.relpath(path, ROOT)


def _answer(child: Child) -> dict[str, Any]:
    try:
        return dict(json.loads(child.lines[-1]))
    except (IndexError, ValueError):
        return {}


def _complain(sentence: str) -> int:
    sys.stdout.flush()
    print(f"bin/up: {sentence}", file=sys.stderr, flush=True)
    return 1
