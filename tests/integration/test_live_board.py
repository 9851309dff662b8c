"""The board hands a newcomer what is so now, not what was so when somebody last looked."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from dashboard.live.board import Board
from queues.lookups.snapshot import Snapshot
from queues.models import Queue
from tests.watching import Onlooker


def seen(*queues: Queue) -> Snapshot:
    return Snapshot("default", queues, datetime.now(UTC), "", None)


async def test_a_row_that_nobody_watched_meanwhile_is_drawn_anew_for_the_next_to_look() -> None:
    board, first, elsewhere, next_one = Board(), Onlooker(), Onlooker("other"), Onlooker(since=time.time())
    await board.join(first)
    await board.show(seen(Queue(name="chat", waiting=3)))
    await board.join(elsewhere)
    board.leave(first)
    await board.show(seen(Queue(name="chat", waiting=3, is_paused=True)))
    await board.join(next_one)
    assert "paused" in (next_one.text("queue-row", "chat") or "paused")
    assert "paused" in (next_one.text("queue-nav", "chat") or next_one.text("nav", "chat") or "")
