"""How records of Django, daphne and structlog become lines on stderr: text for people, or JSON (LOG_FORMAT=json)."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

from queues.worker.logs import FIELDS

#: Line breaks, escapes and direction marks become visible: a name can neither forge a line nor drive a terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
#: A token in an address, a key, a webhook's secret: what opens something is never written, whoever puts it in a line.
_SECRET = re.compile(r"(\btoken=|\btoril_[0-9A-Za-z]{8}_|\bwhsec_)[\w.~+/%-]+=*")
_SIGNS = ("token=", "toril_", "whsec_")
_SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def one_line(text: object) -> str:
    return str(text).translate(_CONTROLS)


def without_secrets(line: str) -> str:
    return _SECRET.sub(r"\1…", line) if any(sign in line for sign in _SIGNS) else line


def as_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """`time level logger: event key=value`; a traceback follows, each line marked as belonging to it."""
    trace = event.pop("exception", "") or ""
    head = f"{event.pop('timestamp')} {event.pop('level'):<7} {event.pop('logger', '')}: {one_line(event.pop('event'))}"
    pairs = "".join(f" {one_line(key)}={one_line(value)!r}" for key, value in event.items())
    return "\n    | ".join([head + pairs, *(one_line(line) for line in trace.splitlines())])


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """What structlog draws, with a short way for plain lines: a busy worker writes thousands of them in a second."""

    def __init__(self, form: str) -> None:
        renderer = structlog.processors.JSONRenderer() if form == "json" else as_text
        super().__init__(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(FIELDS), *_SHARED[:3], *_SHARED[4:]],
        )
        self._draw = self._as_json if form == "json" else self._as_text
        self._second, self._stamp = 0, ""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, str) and not record.exc_info and not record.exc_text and not record.stack_info:
            return without_secrets(self._draw(record, structlog.contextvars.get_contextvars()))
        return without_secrets(super().format(record))

    def _as_text(self, record: logging.LogRecord, bound: MutableMapping[str, Any]) -> str:
        words = record.getMessage()
        if not words.isprintable():
            words = one_line(words)
        # Which job it is, the worker's own lines say in words.
        pairs = "".join(f" {one_line(key)}={one_line(bound[key])!r}" for key in bound) if bound else ""
        return f"{self._time(record)} {record.levelname.lower():<7} {record.name}: {words}{pairs}"

    def _as_json(self, record: logging.LogRecord, bound: MutableMapping[str, Any]) -> str:
        own = record.__dict__
        fields = {name: own[name] for name in FIELDS if name in own}
        level = record.levelname.lower()
        line = {"timestamp": self._time(record), "level": level, "logger": record.name, "event": record.getMessage()}
        return _encode({**line, **bound, **fields})

    def _time(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((record.created - second) * 1_000_000):06d}Z"


_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode


def configure() -> None:
    """structlog hands its events to the standard library, whose one formatter draws them all."""
    # Our lines say neither; each record would look them up.
    logging.logMultiprocessing = logging.logThreads = False
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def configure_as_guest() -> None:
    """In a host's project our events become plain records of the standard library, drawn by whatever the host has; what
    the host said to structlog holds.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _as_record,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _as_record(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The fields stand in the message: most formats draw nothing else, and a record has attributes of its own."""
    kept = {name: event.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in event}
    words = one_line(event.pop("event"))
    pairs = "".join(f" {one_line(key)}={one_line(value)!r}" for key, value in event.items())
    return {"msg": without_secrets(words + pairs), **kept}


def django_logging(level: str, form: str) -> dict[str, Any]:
    """Django's LOGGING."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        # "line" as asked here; the others for a command that is asked otherwise.
        "formatters": {
            name: {"()": LineFormatter, "form": drawn}
            for name, drawn in (("line", form), ("text", "text"), ("json", "json"))
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Django gives these handlers of their own (mail, a second console); the root's is enough.
        # httpx would tell each address that it asks, and such an address may be a secret.
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server")}
        # axes tells of each failure twice, at length; the page of sign-in does in one line.
        | {name: {"level": "WARNING"} for name in ("httpx", "httpcore")}
        | {"axes": {"level": "ERROR"}},
    }
