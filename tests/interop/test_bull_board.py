"""What Bull Board shows of jobs that we added and ran."""

from __future__ import annotations

import pytest

from queues import queue
from queues.protocol import reads
from queues.states import State
from tests.eventually import eventually
from tests.interop.board import BullBoard
from tests.stand import Stand

pytestmark = pytest.mark.node


@pytest.fixture
def stand(tmp_path, redis_server, prefix):
    opened = Stand(tmp_path, redis_server.url, prefix)
    yield opened
    opened.close()


@pytest.fixture
def board(redis_server, prefix):
    opened = BullBoard(redis_server.port, prefix, ["chat"])
    yield opened
    opened.close()


async def test_bull_board_shows_our_jobs_and_who_ran_them(connection, stand, board):
    added = await queue("chat").add("scan", {"url": "https://example.com", "note": "née 😀"}, job_id="scan-abc123")
    await queue("chat").add("scan", {"url": "later"}, delay_ms=3_600_000)
    stand.workers("--name", "web-7")

    async def finished() -> bool:
        return (await reads.job_states(connection, "chat", [added.id]))[0] in (State.COMPLETED, State.FAILED)

    await eventually(finished, timeout_s=30, what=stand.log("workers"))
    state = (await reads.job_states(connection, "chat", [added.id]))[0]
    shown = board.queue("chat", state.value)
    (job,) = shown["jobs"]
    assert job["id"] == "scan-abc123"
    assert job["name"] == "scan"
    assert job["data"] == {"url": "https://example.com", "note": "née 😀"}
    assert job["processedBy"] == "web-7"
    assert job["attempts"] >= 1
    assert shown["counts"]["delayed"] == 1
    assert shown["hasWorkers"] is True
