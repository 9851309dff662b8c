"""What a failed attempt leaves behind: one more line below its traceback, which says what a result wants to know.

BullMQ keeps a traceback per attempt, and of the attempts before the last nothing else. The line is a note of the
exception (PEP 678), so it costs no command and people can read it: `(attempt 2 on web-1 from 2026-…: pkg.Error)`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from inspect import isclass

from django.conf import settings
from django.utils import timezone

from queues.runs.outcome import trace_of
from queues.tasks.api import TaskError

#: The class of an error of which only the reason is known: the job stalled too often, nobody knows its task, …
UNKNOWN_KIND = "queues.errors.TorilError"
#: How many attempts' workers a result names, the last ones: a job's own count may be any number.
MOST_WORKERS = 1_000
_LINE = re.compile(r"\n?^[ |]*\(attempt (\d+) on (.*) from (\S+): (\S+)\)$", re.MULTILINE)


class StoredError(TaskError):
    """An error read from Redis. Its class is looked up among the loaded modules: what is stored imports nothing."""

    __slots__ = ()

    @property
    def exception_class(self) -> type[BaseException]:
        """Raises ImportError where this process has not loaded it, ValueError where it is no exception."""
        path = self.exception_class_path
        module, name = _split(path)
        found = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            raise ImportError(f"{path!r} is not loaded in this process, and what Redis says is not imported.")
        if not isclass(found) or not issubclass(found, BaseException):
            raise ValueError(f"{path!r} does not reference a valid exception.")
        return found


@dataclass(frozen=True, slots=True)
class Told:
    """What tracebacks tell of the attempts they are from; the oldest may be gone."""

    errors: list[TaskError] = field(default_factory=list)
    #: By attempt, from 1.
    by_attempt: dict[int, tuple[str, datetime | None]] = field(default_factory=dict)

    @property
    def started_at(self) -> datetime | None:
        """When the first attempt began, where that is known."""
        return self.by_attempt.get(1, ("", None))[1]

    def workers(self, count: int) -> list[str]:
        """One for each of the first `count` attempts, empty where it is not known; of very many the last."""
        first = max(0, count - MOST_WORKERS) + 1
        return [self.by_attempt.get(attempt, ("", None))[0] for attempt in range(first, count + 1)]


def path_of(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def tell(error: BaseException, kind: type[BaseException], attempt: int, worker: str, started: datetime) -> None:
    """Note the attempt in the error. Never raises."""
    at = timezone.make_aware(started) if timezone.is_naive(started) else started
    name = " ".join(worker.split()) or "unknown"
    line = f"(attempt {attempt} on {name} from {at.astimezone(UTC).isoformat()}: {path_of(kind)})"
    with suppress(Exception):
        # The same exception may have been raised before: one that a module keeps.
        notes = [note for note in getattr(error, "__notes__", ()) if not _LINE.match(note)]
        error.__notes__ = [*notes, line]


def error_of(error: BaseException, kind: type[BaseException]) -> TaskError:
    """An error of this process, as a result shows it."""
    return StoredError(exception_class_path=path_of(kind), traceback=_LINE.sub("", trace_of(error)))


def told(traces: Sequence[str]) -> Told:
    """Read the tracebacks that a job keeps, oldest first. Never raises, whatever they are."""
    found = Told()
    for trace in traces:
        lines = list(_LINE.finditer(trace))
        kind = UNKNOWN_KIND
        if lines:
            attempt, worker, started, kind = lines[-1].groups()
            found.by_attempt[int(attempt[:9])] = worker, _moment(started)
        found.errors.append(StoredError(exception_class_path=kind, traceback=_LINE.sub("", trace)))
    return found


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if settings.USE_TZ or timezone.is_naive(at) else timezone.make_naive(at)


def _split(path: str) -> tuple[str, str]:
    """The longest loaded module's name, and what is left."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if ".".join(parts[:cut]) in sys.modules:
            return ".".join(parts[:cut]), ".".join(parts[cut:])
    return "", path
