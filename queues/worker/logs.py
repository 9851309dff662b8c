"""How a worker's log lines look where `--log-format` says so, in any Django project."""

from __future__ import annotations

import json
import logging
from logging.config import DictConfigurator
from typing import Any

from django.conf import settings

FORMATS = ("text", "json")
#: What the worker binds to its lines, as fields of their own in JSON.
FIELDS = ("queue", "job_id", "job_name", "attempt", "duration_ms", "worker")


class JsonFormatter(logging.Formatter):
    """One object per line, with the same fields as this project's own logging."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(form: str | None) -> None:
    """Let stderr have the workers' lines where the settings give them to nobody; in this form, if one is given."""
    if not logging.getLogger("queues.worker").hasHandlers():
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if form is not None:
        formatter = _formatter(form)
        for handler in _handlers():
            handler.setFormatter(formatter)


def level() -> int:
    return logging.getLogger("queues.worker").getEffectiveLevel()


def is_json() -> bool:
    """Whether the workers' lines are JSON, whoever draws them."""
    record = logging.LogRecord("queues.worker", logging.INFO, "", 0, "x", None, None)
    return any(handler.format(record).startswith("{") for handler in _handlers())


def _handlers() -> list[logging.Handler]:
    named = [logging.getLogger(name) for name in ("queues.worker", "queues", "")]
    return [handler for logger in named for handler in logger.handlers if isinstance(handler, logging.StreamHandler)]


def _formatter(form: str) -> logging.Formatter:
    """The settings' own of that name, as this project has them; else a plain one."""
    own: dict[str, Any] | None = (settings.LOGGING or {}).get("formatters", {}).get(form)
    if own is not None:
        made: logging.Formatter = DictConfigurator(settings.LOGGING).configure_formatter(dict(own))
        return made
    return JsonFormatter() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
