"""A web process that is told to stop lets in nobody, answers who is there, and cuts off sockets and streams alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.eventually import eventually_sync
from tests.stand import Stand

pytestmark = pytest.mark.acceptance


@pytest.fixture
def stand(tmp_path, redis_server, prefix) -> Iterator[Stand]:
    made = Stand(tmp_path / "stand", redis_server.url, prefix, STAND_URLCONF="tests.deploy.slow_urls")
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
