"""The supervisor's log lines: as the workers' look, text or JSON, without the logging of Django's settings."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from datetime import UTC, datetime

from queues.worker.supervision.offspring import write_line

LOGGER = "queues.worker"
FLUSH_S = 0.5


class Voice:
    """Its lines are written by a thread of its own: where nobody reads them, the fleet is looked after all the same."""

    def __init__(self, level: int, is_json: bool) -> None:
        self._level, self._is_json = level, is_json
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="voice", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Wait a little for what was said to be written."""
        self._lines.put(None)
        self._writer.join(FLUSH_S)

    def info(self, text: str) -> None:
        self._say(logging.INFO, text)

    def warning(self, text: str) -> None:
        self._say(logging.WARNING, text)

    def error(self, text: str) -> None:
        self._say(logging.ERROR, text)

    def _say(self, level: int, text: str) -> None:
        if level < self._level:
            return
        when = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        name = logging.getLevelName(level).lower()
        if self._is_json:
            line = json.dumps({"timestamp": when, "level": name, "logger": LOGGER, "event": text, "pid": os.getpid()})
        else:
            line = f"{when} {name:<7} {LOGGER}: {text}"
        self._lines.put(line)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            write_line(line)
