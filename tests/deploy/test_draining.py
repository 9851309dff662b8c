"""Processes that are told to stop: a web lets in nobody, answers who is there, and cuts off sockets and streams alone;
a mirror says that it lives until then.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import free_port
from tests.eventually import eventually_sync
from tests.stand import ROOT, Stand

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def stand(tmp_path_factory, redis_server) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("stand")
    made = Stand(folder, redis_server.url, "draining", STAND_URLCONF="tests.deploy.slow_urls")
    yield made
    made.close()


def test_a_stop_closes_the_door_answers_who_is_inside_and_ends_streams(stand, tmp_path):
    address = stand.web()
    web = stand.processes["web"]
    port = int(address.rpartition(":")[2])
    key = stand.manage("queues", "keys", "add", "listener", "--may", "view").strip()
    client = stand.signed_in()
    told: list[str] = []
    answers: list[httpx.Response] = []

    def listen() -> None:
        try:
            with httpx.stream("GET", f"{address}/api/events", headers={"Authorization": f"Bearer {key}"}) as stream:
                told.extend(stream.iter_lines())
        except httpx.RemoteProtocolError:
            told.append("cut off")

    def ask() -> None:
        answers.append(client.get("/slow", params={"folder": str(tmp_path)}, timeout=120))

    threads = [threading.Thread(target=work, daemon=True) for work in (listen, ask)]
    for thread in threads:
        thread.start()
    eventually_sync(lambda: (tmp_path / "asked").exists() and "event: subscribed" in told, 30)
    web.terminate()
    eventually_sync(lambda: not is_let_in(port), 30)
    assert web.poll() is None
    (tmp_path / "go").touch()
    for thread in threads:
        thread.join(60)
    assert (answers[0].status_code, len(answers[0].content)) == (200, 3_000_000)
    assert web.wait(60) == 0
    client.close()
    assert told[-1] == "cut off"
    assert "Traceback" not in stand.log("web")


def is_let_in(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_the_mirror_is_asked_as_the_image_asks_and_is_silent_where_it_stands_still(stand):
    port = free_port()
    mirror = stand.start("mirror", sys.executable, "manage.py", "runmirror", "--health-port", str(port))
    eventually_sync(lambda: is_alive(port) and told_by(port)["leads"], 60)
    mirror.send_signal(signal.SIGSTOP)
    try:
        assert not is_alive(port)
    finally:
        mirror.send_signal(signal.SIGCONT)
    eventually_sync(lambda: is_alive(port), 60)
    stand.stop("mirror")
    assert mirror.returncode == 0
    assert not is_alive(port)


def asked(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "deploy" / "docker" / "alive.py", str(port)]
    return subprocess.run(command, capture_output=True, text=True)


def is_alive(port: int) -> bool:
    return asked(port).returncode == 0


def told_by(port: int) -> dict[str, object]:
    return dict(json.loads(asked(port).stdout))
