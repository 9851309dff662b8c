"""docs/monitoring.md and deploy/prometheus with real programs: its requests by curl, and a Prometheus that scrapes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queues.producer import queue
from tests import services
from tests.conftest import free_port
from tests.eventually import eventually
from tests.monitoring import DEPLOY, rules
from tests.stand import Stand

PAGE = (DEPLOY.parent / "docs" / "monitoring.md").read_text()
HERE = "http://localhost:8000"


@pytest.fixture
def stand(tmp_path, redis_server, prefix, connection) -> Iterator[Stand]:
    made = Stand(tmp_path / "stand", redis_server.url, prefix)
    yield made
    made.close()


@pytest.fixture
def prometheus(tmp_path) -> Iterator[Callable[[str, str], str]]:
    """Starts one with this project's own files; its address."""
    program = shutil.which("prometheus") or services.missing("Debian's package prometheus is not installed")
    started: list[subprocess.Popen[bytes]] = []

    def start(address: str, key: str) -> str:
        folder = Path(shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus"))
        (folder / "toril-key").write_text(key)
        told = (folder / "prometheus.yml").read_text()
        told = told.replace("localhost:8000", address).replace("scrape_interval: 15s", "scrape_interval: 1s")
        (folder / "prometheus.yml").write_text(told)
        port = free_port()
        where = [f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
        with (tmp_path / "prometheus.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [program, f"--config.file={folder / 'prometheus.yml'}", *where],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def requests() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("curl")]


def asked(address: str, path: str) -> object:
    try:
        with urllib.request.urlopen(address + path, timeout=5) as answer:  # noqa: S310
            return json.load(answer)["data"]
    except OSError:
        return None


def run(command: str, key: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["bash", "-c", command], env={**os.environ, "TORIL_KEY": key}, capture_output=True)


async def test_the_pages_requests_answer_as_written_and_prometheus_takes_the_figures(stand, prometheus):
    for name in ("scan", "ai-jobs"):
        await queue(name).add("work", {"n": 1}, job_id="scan-abc123")
    (made,) = re.findall(r"TORIL_KEY=\$\(python manage.py (.*?)\)`", PAGE)
    key = stand.manage(*shlex.split(made)).strip()
    address = stand.web()
    answers = {}
    for line in requests():
        command = line.replace(HERE, address).replace("curl ", "curl --silent --show-error --fail ", 1)
        done = await asyncio.to_thread(run, command, key)
        assert done.returncode == 0, (line, done.stderr)
        answers[line.rpartition("localhost:8000")[2].strip('"')] = done.stdout.decode()
    assert len(answers) == 9
    assert json.loads(answers["/api/health"])["jobQueue"] == {"enabled": True, "redis": "connected"}
    assert json.loads(answers["/api/queue/status?queue=scan"])["stats"]["waiting"] == 1
    assert json.loads(answers["/api/queue/status?queue=scan&jobId=scan-abc123"])["job"]["state"] == "waiting"
    assert json.loads(answers["/v1/admin/queue/metrics/all"])["aiJobs"]["total"] == 1
    assert json.loads(answers["/v1/admin/queue/pause?queue=ai-jobs"])["paused"] is True
    assert json.loads(answers["/v1/admin/queue/clean?queue=ai-jobs"])["cleaned"] == 0
    assert 'bullmq_job_count{queue="scan",state="waiting"} 1.0' in answers["/metrics"]

    told = prometheus(address.removeprefix("http://"), key)
    query = urllib.parse.quote('bullmq_job_count{queue="scan",state="waiting",job="toril"}')
    found = await eventually(lambda: _result(told, query), timeout_s=30)
    assert found[0]["value"][1] == "1"
    loaded = asked(told, "/api/v1/rules")
    assert [rule["name"] for rule in loaded["groups"][0]["rules"]] == [rule["alert"] for rule in rules()]


def _result(address: str, query: str) -> list[dict[str, list[str]]]:
    found = asked(address, f"/api/v1/query?query={query}")
    return found["result"] if found else []
