"""The real Bull Board as a process beside us."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.services import require_node


class BullBoard:
    """Serves its API for the given queues at `address`; `close()` ends it."""

    def __init__(self, redis_port: int, prefix: str, queues: Sequence[str]) -> None:
        script = Path(__file__).with_name("board.mjs")
        self.process = subprocess.Popen(
            [require_node(), str(script), str(redis_port), prefix, ",".join(queues)], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.address = f"http://127.0.0.1:{told['port']}/board"

    def queue(self, name: str, status: str, per_page: int = 25) -> dict[str, Any]:
        """What its page of one queue is drawn from."""
        asked = {"activeQueue": name, "status": status, "page": 1, "jobsPerPage": per_page}
        queues: list[dict[str, Any]] = httpx.get(f"{self.address}/api/queues", params=asked).json()["queues"]
        return next(queue for queue in queues if queue["name"] == name)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
