"""The supervisor's log lines: as the workers' look, text or JSON, without the logging of Django's settings."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from datetime import UTC, datetime

from queues.worker.supervision.offspring import write_line

LOGGER = "queues.worker"


class Voice:
    def __init__(self, level: int, is_json: bool) -> None:
        self._level, self._is_json = level, is_json

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
        with contextlib.suppress(OSError):
            write_line(line)
