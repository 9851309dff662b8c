"""A team's own Django project in a virtualenv of its own, with the wheel installed, served both ways."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.conftest import free_port
from tests.eventually import eventually_sync

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PASSWORD = "correct horse battery staple"


def build_wheel(folder: Path) -> Path:
    """As a package index would get it."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


class Host:
    def __init__(self, folder: Path, wheel: Path, redis_url: str, prefix: str) -> None:
        self.folder = folder / "project"
        shutil.copytree(HERE / "host", self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.python = self._virtualenv(folder / "venv", wheel)
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        self.environ = {**kept, "REDIS_URL": redis_url, "QUEUE_PREFIX": prefix, "CLERK_PASSWORD": PASSWORD}

    def _virtualenv(self, folder: Path, wheel: Path) -> Path:
        """With the wheel; what it needs is this virtualenv's, so that nothing is fetched."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        python = folder / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        site = folder / "lib" / version / "site-packages"
        (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True)
        return python

    def run(self, *arguments: str, **environ: str) -> str:
        """A command to its end; its output."""
        command = [str(self.python), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env={**self.environ, **environ}, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    @contextmanager
    def served(self, way: str) -> Iterator[str]:
        """Under WSGI or ASGI; the address."""
        port = str(free_port())
        how = {
            "wsgi": ["-m", "shop.wsgi", port],
            "asgi": ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", port, "shop.asgi:application"],
        }[way]
        log = self.folder / f"{way}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(self.python), *how], cwd=self.folder, env=self.environ, stdout=out, stderr=subprocess.STDOUT
            )
        address = f"http://127.0.0.1:{port}"
        try:
            eventually_sync(lambda: _answers(address, process, log), 120, "the host answers")
            yield address
        finally:
            process.terminate()
            process.wait(60)


def _answers(address: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(address, timeout=60).status_code == 200
    except httpx.TransportError:
        return False
