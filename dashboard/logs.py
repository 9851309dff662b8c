"""How records of Django, daphne and structlog become lines on stderr: text for people, or JSON (LOG_FORMAT=json)."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import structlog

#: Line breaks, escapes and direction marks become visible: a name can neither forge a line nor drive a terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
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


def as_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """`time level logger: event key=value`; a traceback follows, each line marked as belonging to it."""
    trace = event.pop("exception", "") or ""
    head = f"{event.pop('timestamp')} {event.pop('level'):<7} {event.pop('logger', '')}: {one_line(event.pop('event'))}"
    pairs = "".join(f" {one_line(key)}={one_line(value)!r}" for key, value in event.items())
    return "\n    | ".join([head + pairs, *(one_line(line) for line in trace.splitlines())])


def configure() -> None:
    """structlog hands its events to the standard library, whose one formatter draws them all."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def django_logging(level: str, form: str) -> dict[str, Any]:
    """Django's LOGGING."""
    renderer = structlog.processors.JSONRenderer() if form == "json" else as_text
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        "foreign_pre_chain": [*_SHARED[:3], *_SHARED[4:]],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Django gives these handlers of their own (mail, a second console); the root's is enough.
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
    }
