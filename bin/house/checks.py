"""What bin/test runs, and in which order: the quick checks, then pytest, whose closing line is the last but one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from house import again, audit, interpreter, services
from house.virtualenv import ROOT, SetupFailed, Virtualenv
from house.voice import painted, say

REQUIREMENTS = [ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt"]
VENDOR = ROOT / "static" / "vendor"
# One file stays in one process: a browser, once started, belongs to the process that started it. Tests wait as much as
# they compute, so that each core carries two processes; the order is tests/conftest.py's.
PROCESSES = min(8, 2 * (os.cpu_count() or 1))
PYTEST = ["-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder"]
BOTH = "both_databases"
ON_POSTGRESQL = ["--ds=tests.settings_postgresql", "-m", BOTH]
OTHER_DJANGO_NEEDS = (3, 12)
TESTS_FAILED = 1


def run(arguments: Sequence[str]) -> int:
    """Everything, or pytest alone where arguments are given; the exit code is the verdict."""
    try:
        django, rest = django_of(list(arguments))
        virtualenv = virtualenv_for_tests(django)
    except SetupFailed as error:
        print(f"bin/test: {error}", file=sys.stderr)
        return 2
    env = environment(virtualenv)
    services.ensure_debian_packages()
    services.ensure_postgresql(virtualenv)
    services.ensure_node(virtualenv, env)
    services.ensure_npm_packages(env)
    services.ensure_django_tests(virtualenv)
    services.ensure_old_redis(virtualenv)
    if rest:
        return _pytest(virtualenv, env, rest)
    failed = [] if django else _linters(virtualenv, env)
    if _tests_fail(virtualenv, env):
        failed.append("pytest")
    if _tests_fail(virtualenv, env, [*ON_POSTGRESQL, *on_both_databases()]):
        failed.append("pytest on PostgreSQL")
    if failed:
        say("failed", painted(", ".join(failed), "31"))
    return bool(failed)


def virtualenv_for_tests(django: str | None = None) -> Virtualenv:
    """The virtualenv with the tests' packages, installed; for another Django, one beside it. Raises SetupFailed."""
    if django is None:
        virtualenv, replacing = Virtualenv(ROOT / ".venv-test"), []
    else:
        python = interpreter.find(OTHER_DJANGO_NEEDS)
        if python is None:
            raise SetupFailed(f"Django {django} needs Python 3.12 or newer, and there is none on this machine.")
        virtualenv, replacing = Virtualenv(ROOT / f".venv-test-django-{django}", python), [f"Django=={django}.*"]
    virtualenv.ensure(REQUIREMENTS, replacing)
    return virtualenv


def environment(virtualenv: Virtualenv) -> dict[str, str]:
    """This process's environment with the virtualenv's programs first on the PATH."""
    path = os.pathsep.join([str(virtualenv.python.parent), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(virtualenv.folder)}
    # Hundreds of processes would compile the same modules anew.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def django_of(arguments: list[str]) -> tuple[str | None, list[str]]:
    if "--django" not in arguments:
        return None, arguments
    at = arguments.index("--django")
    version = arguments[at + 1 : at + 2]
    if not version or version[0].count(".") != 1:
        raise SetupFailed("--django wants a version such as 6.1.")
    return version[0], arguments[:at] + arguments[at + 2 :]


def _pytest(virtualenv: Virtualenv, env: Mapping[str, str], arguments: Sequence[str]) -> int:
    return subprocess.call([virtualenv.python, "-m", "pytest", *arguments], cwd=ROOT, env=env)


def on_both_databases() -> list[str]:
    """The files of tests that run on SQLite like all and once more on PostgreSQL: their mark says so."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if f"mark.{BOTH}" in file.read_text()]


def _tests_fail(virtualenv: Virtualenv, env: Mapping[str, str], arguments: Sequence[str] = ()) -> bool:
    """All of them, or those of the arguments; those that fail are given one more chance, each alone."""
    manner = [word for word in arguments if word.startswith("--")]

    def alone(test: str) -> tuple[int, str]:
        command = [str(virtualenv.python), "-m", "pytest", "-p", "no:xdist", *manner, test]
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "failed.json"
        code = _pytest(virtualenv, {**env, again.LISTED_IN: str(listed)}, [*PYTEST, *arguments])
        return code not in (0, TESTS_FAILED) or (code == TESTS_FAILED and again.fail_alone(listed, alone))


def _linters(virtualenv: Virtualenv, env: Mapping[str, str]) -> list[str]:
    """Run the quick checks, two at a time, all of them even after one has failed; the names of those that did."""
    programs = {
        "mypy": ["mypy", "--no-error-summary"],
        # What it compiles, the processes that run the tests need not.
        "collection": ["pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider"],
        "ruff check": ["ruff", "check", "--quiet"],
        "ruff format": ["ruff", "format", "--check", "--quiet"],
        "lint-imports": ["lint-imports"],
    }
    checks: dict[str, Callable[[], str]] = {
        name: partial(_output_if_failed, virtualenv, env, command) for name, command in programs.items()
    }
    checks["vendored files"] = changed_vendored_files
    checks["audit"] = partial(audit.known_vulnerabilities, virtualenv, env)
    failed = []
    with ThreadPoolExecutor(2) as pool:
        for name, (complaint, seconds) in zip(checks, pool.map(_timed, checks.values()), strict=True):
            if isinstance(complaint, audit.NotRun):
                # What cannot be asked from here is not ours to mend; tests/unit/test_floors.py needs no network.
                say(name, f"{painted('not run', '33')}: {complaint} ({seconds:.1f} s)")
                continue
            say(name, f"{painted('failed', '31') if complaint else 'ok'} ({seconds:.1f} s)")
            if complaint:
                failed.append(name)
                print(complaint, flush=True)
    return failed


def _timed(check: Callable[[], str]) -> tuple[str | audit.NotRun, float]:
    began = time.monotonic()
    try:
        complaint: str | audit.NotRun = check()
    except audit.NotRun as error:
        complaint = error
    return complaint, time.monotonic() - began


def _output_if_failed(virtualenv: Virtualenv, env: Mapping[str, str], command: Sequence[str]) -> str:
    program = virtualenv.python.parent / command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return "" if done.returncode == 0 else done.stdout or f"exit code {done.returncode}"


def changed_vendored_files() -> str:
    """Vendored files that differ from SHA256SUMS, are missing, or are not listed there."""
    sums = VENDOR / "SHA256SUMS"
    if not sums.exists():
        return ""
    pairs = [line.split(maxsplit=1) for line in sums.read_text().splitlines() if line.strip()]
    listed = {name.lstrip("*"): digest for digest, name in pairs}
    actual = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path != sums
    }
    wrong = sorted(name for name in listed.keys() | actual.keys() if listed.get(name) != actual.get(name))
    return "\n".join(f"{name} differs from static/vendor/SHA256SUMS" for name in wrong)
