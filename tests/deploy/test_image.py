"""Dockerfile, .dockerignore and the compose files, without an engine: linted, resolved, and their steps really done."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests import services
from tests.acceptance.program import plain_environment
from tests.conftest import free_port
from tests.deploy.image import ROOT, Build, Stage, context
from tests.eventually import eventually_sync

MAX_MB = 40
COMPOSED = {"docker-compose.yml", "docker-compose.simple.yml"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("image")
    yield Build(folder, borrowed=True).run()
    # The steps leave it as an image would be: not to be written to.
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


def test_hadolint_finds_nothing():
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_built_from_holds_the_code_and_nothing_private():
    found = context()
    assert {path.split("/")[0] for path in found} <= {
        *("LICENSE", "bin", "dashboard", "deploy", "manage.py", "queues", "requirements.txt", "static", "templates")
    }
    assert {"manage.py", "requirements.txt", "bin/house/prepare.py", "deploy/docker/alive.py"} <= set(found)
    assert not [path for path in found if re.search(r"(^|/)(\.env|\.git|var|tests)(/|\.|$)|\.pyc$", path)]


def test_the_images_web_runs_as_nobody_on_a_disk_it_cannot_write_to(image, redis_server, prefix):
    before = listing(image)
    assert image.user == "10001:10001"
    assert total_mb(image.place(".")) < MAX_MB
    port = free_port()
    told = {"PORT": str(port), "HOST": "127.0.0.1", "REDIS_URL": redis_server.url, "QUEUE_PREFIX": prefix}
    told |= {"SECRET_KEY": "k" * 50, "ALLOWED_HOSTS": "queues.example", "TORIL_ADMIN_PASSWORD": "a long one, really"}
    environ = image.environment(**plain_environment(**told))
    prepared = in_it(image, environ, "python", "bin/house/prepare.py")
    assert json.loads(prepared.stdout)["is_new"], prepared.stderr
    assert in_it(image, environ, *image.health).returncode == 1
    with running(image, environ) as web:
        eventually_sync(lambda: in_it(image, environ, *image.health).returncode == 0, 60)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Host": "queues.example"}) as client:
            page = client.get("/sign-in")
            assert page.status_code == 200
            sheet = re.search(r'href="(/static/[^"]+\.css\?v=[^"]+)"', page.text)
            assert sheet
            answer = client.get(sheet[1])
            assert answer.headers["Cache-Control"] == "max-age=31536000, public, immutable"
            assert answer.headers["Content-Encoding"] == "gzip"
            packed = image.place("staticfiles") / (sheet[1].split("/static/")[1].split("?")[0] + ".gz")
            assert int(answer.headers["Content-Length"]) == packed.stat().st_size
            # The kubelet asks by the pod's address.
            assert client.get("/livez", headers={"Host": "10.1.2.3:8000"}).status_code == 200
        web.send_signal(signal.SIGTERM)
        assert web.wait(60) == 0
    assert listing(image) == before, "something was written outside VAR_DIR"


@contextmanager
def running(image: Stage, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(bare(image, image.command), cwd=image.place("."), env=environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def in_it(image: Stage, environ: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bare(image, list(command)), cwd=image.place("."), env=environ, capture_output=True, text=True, timeout=120
    )


def bare(image: Stage, command: list[str]) -> list[str]:
    """As in a container: no capability of root's, and nothing writable but VAR_DIR and /tmp."""
    if os.geteuid() != 0:
        return command
    for path in (image.place("."), image.folder / "opt"):
        if path.stat().st_mode & 0o200:
            subprocess.run(["chmod", "-R", "a-w", path], check=True)
    subprocess.run(["chmod", "u+w", image.place("var")], check=True)
    none = ["--inh-caps=-all", "--bounding-set=-all"]
    return ["setpriv", *none, "--no-new-privs", *command]


def listing(image: Stage) -> set[str]:
    return {
        str(path.relative_to(image.folder))
        for path in image.folder.rglob("*")
        if not path.is_relative_to(image.place("var"))
    }


def total_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


# --- compose


@cache
def resolved(name: str, extra: Path) -> dict[str, Any]:
    program = shutil.which("docker-compose") or services.missing("Debian's package docker-compose is not installed")
    told = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ENV_FILE": str(extra), "SECRET_KEY": "s"}
    done = subprocess.run([program, "-f", ROOT / name, "config"], env=told, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout))


@pytest.fixture(scope="module")
def extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("compose") / "extra.env"
    file.write_text("ANTHROPIC_API_KEY=k\n")
    return file


def test_compose_resolves_both_files_and_locks_every_process_of_ours_in(extra):
    found = {name: resolved(name, extra) for name in COMPOSED}
    for file, whole in found.items():
        ours = {name: one for name, one in whole["services"].items() if one["image"].startswith("toril:")}
        assert set(ours) >= {"prepare", "web"}
        for name, service in ours.items():
            assert service["read_only"] is True, (file, name)
            assert service["cap_drop"] == ["ALL"], (file, name)
            assert service["environment"]["ANTHROPIC_API_KEY"] == "k"
            assert service["environment"]["SECRET_KEY"] == "s"
            assert "docs:/app/docs:rw" in service["volumes"], (file, name)
            if name != "prepare":
                assert service["restart"] == "unless-stopped"
                assert service["depends_on"]["prepare"]["condition"] == "service_completed_successfully"
        assert {name for name, one in whole["services"].items() if one.get("ports")} == {"web"}
    whole, simple = (found[name] for name in sorted(COMPOSED, reverse=True))
    assert set(whole["services"]) == {"prepare", "web", "worker", "mirror", "redis", "postgres"}
    assert set(simple["services"]) == {"prepare", "web"}
    assert simple["services"]["web"]["environment"]["USE_JOB_QUEUE"] == "false"
    assert whole["networks"]["inside"]["internal"] is True
    assert "outside" not in whole["services"]["redis"]["networks"]


def test_compose_starts_the_web_at_3000_and_a_redis_that_keeps_what_it_is_told(tmp_path, extra):
    whole = resolved("docker-compose.yml", extra)
    (port,) = whole["services"]["web"]["ports"]
    assert str(port).startswith("3000:8000") or (port["published"], port["target"]) == (3000, 8000)
    redis = whole["services"]["redis"]
    assert redis["command"][-2:] == ["--appendonly", "yes"]
    with a_redis(tmp_path, ["valkey-server", *redis["command"][1:]], "toril") as asked:
        assert asked("CONFIG", "GET", "appendonly") == {"appendonly": "yes"}
        assert asked("CONFIG", "GET", "maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert asked("CONFIG", "GET", "protected-mode") == {"protected-mode": "yes"}


@contextmanager
def a_redis(folder: Path, command: list[str], password: str) -> Iterator[Any]:
    """A real server, told what a container is told, at a port and in a folder of this test's; asks it as a client."""
    import redis

    from queues.protocol.embedded import server_command

    port, script = free_port(), " ".join(command)
    script = script.replace("/etc/toril/redis.conf", str(ROOT / "deploy" / "redis.conf"))
    words = [str(server_command()[0]), *script.split(" ")[1:]]
    words = [word for word in words if word not in ("*", "-::*", "--bind")]
    process = subprocess.Popen(
        [*words, "--port", str(port), "--dir", str(folder), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL
    )
    try:
        with redis.Redis(port=port, password=password, decode_responses=True) as client:
            eventually_sync(lambda: _answers(client), 30)
            with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
            yield client.execute_command
    finally:
        process.kill()
        process.wait()


def _answers(client: Any) -> bool:
    import redis

    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
