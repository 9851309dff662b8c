"""Which trace a job belongs to: asked of the program when a job is added, carried as BullMQ's telemetry carries it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping

from django.utils.module_loading import import_string

from queues.errors import ConfigurationError
from queues.options import get_options

log = logging.getLogger("queues.tracing")
#: Gives the headers of the current trace (`{"traceparent": …}`), or nothing where there is none.
Propagator = Callable[[], Mapping[str, str] | None]


class _Propagators:
    """The one in use: registered, or named by TORIL["TRACE_CONTEXT"]."""

    registered: Propagator | None = None
    named: tuple[str, Propagator] | None = None


def register(propagator: Propagator | None) -> None:
    """Use this function instead of TORIL["TRACE_CONTEXT"]; None takes it back."""
    _Propagators.registered = propagator


def outgoing() -> str | None:
    """What a job that is added now carries as `opts.tm`: the current trace as JSON, or None. Never raises for what the
    propagator does; ConfigurationError where TORIL["TRACE_CONTEXT"] names no function.
    """
    propagator = _propagator()
    if propagator is None:
        return None
    try:
        headers = propagator()
        return json.dumps(dict(headers)) if headers else None
    except Exception:
        log.exception("The trace of a job could not be told; it is added without.")
        return None


def _propagator() -> Propagator | None:
    if _Propagators.registered is not None:
        return _Propagators.registered
    path = get_options().trace_context
    if not path:
        return None
    if _Propagators.named is None or _Propagators.named[0] != path:
        _Propagators.named = path, _imported(path)
    return _Propagators.named[1]


def _imported(path: str) -> Propagator:
    try:
        found = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"TORIL['TRACE_CONTEXT'] names {path!r}, which cannot be imported: {error}.") from None
    if not callable(found):
        raise ConfigurationError(f"TORIL['TRACE_CONTEXT'] names {path!r}, which is no function.")
    propagator: Propagator = found
    return propagator
