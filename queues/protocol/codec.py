"""Bytes ⇄ values, once, at the border. Nothing here raises for what it reads: odd input becomes text and a problem."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

#: Stands before two hex digits for a byte that is not UTF-8 (or NUL, which PostgreSQL refuses);
#: a real U+FFFD is doubled, so that `raw(text(b)) == b` for every `b`.
MARK = "\ufffd"
_MARKED = re.compile(f"{MARK}({MARK}|[0-9a-f]{{2}})")
#: What stands for each: a table, for megabytes may hold nothing else.
_MARKS = {code: f"{MARK}{code & 0xFF:02x}" for code in (0, *range(0xDC80, 0xDD00))} | {ord(MARK): MARK * 2}
_ODD = re.compile("[\x00\ufffd\udc80-\udcff]")
#: Larger numbers are not exact in JavaScript and may not fit SQL's bigint.
LARGEST = 2**53
_SAFE_DIGITS = 15
# Made once: `json.dumps` with options makes another for each value.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode


def text(value: bytes) -> str:
    """Bytes as printable, storable text; reversible by `raw`."""
    decoded = value.decode("utf-8", "surrogateescape")
    if decoded.isascii() and "\x00" not in decoded:
        # Nearly always, and every job of a worker comes by.
        return decoded
    return decoded.translate(_MARKS) if _ODD.search(decoded) else decoded


def raw(value: str) -> bytes:
    """The bytes that `text` was given."""
    if MARK not in value:
        return value.encode("utf-8", "surrogatepass")
    return b"".join(_unmark(part) for part in _pieces(value))


def _pieces(value: str) -> Iterable[str | int]:
    at = 0
    for match in _MARKED.finditer(value):
        yield value[at : match.start()]
        yield MARK if match[1] == MARK else int(match[1], 16)
        at = match.end()
    yield value[at:]


def _unmark(piece: str | int) -> bytes:
    return bytes([piece]) if isinstance(piece, int) else piece.encode("utf-8", "surrogatepass")


def to_json(value: Any) -> str:
    """JSON as Node writes it: compact, no NaN. Raises ValueError or TypeError for what JSON cannot say."""
    if value is None:
        return "null"
    written = _encode(value)
    # Half a surrogate pair, as Node's JSON may hold it, is written as its escape.
    return written if written.isascii() else written.encode("utf-8", "backslashreplace").decode("utf-8")


def from_json(stored: bytes) -> Any:
    """The value. Raises ValueError or RecursionError for what is not JSON."""
    return json.loads(stored.decode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job hash, typed. JSON fields (`data`, `opts`, `progress`, `return_value`, `stacktrace`) hold the
    stored text verbatim, perhaps cut to the bytes asked for; `problems` names each field that BullMQ did not write so.
    """

    id: str
    exists: bool = True
    name: str = ""
    data: str = "{}"
    opts: str = "{}"
    timestamp_ms: int = 0
    delay_ms: int = 0
    priority: int = 0
    processed_on_ms: int | None = None
    finished_on_ms: int | None = None
    attempts_started: int = 0
    attempts_made: int = 0
    stalled_count: int = 0
    progress: str = ""
    return_value: str = ""
    failed_reason: str = ""
    stacktrace: str = ""
    parent_key: str = ""
    scheduler_id: str = ""
    deduplication_id: str = ""
    deferred_failure: str = ""
    processed_by: str = ""
    #: What our workers write beside a failure: when its attempts ran, and who ran them (`protocol.attempts`).
    runs: str = ""
    problems: tuple[str, ...] = ()
    #: Bytes of `data` in Redis, where it was measured.
    data_size: int | None = None


_INTEGERS = {
    b"timestamp": "timestamp_ms",
    b"delay": "delay_ms",
    b"priority": "priority",
    b"processedOn": "processed_on_ms",
    b"finishedOn": "finished_on_ms",
    b"ats": "attempts_started",
    b"atm": "attempts_made",
    b"stc": "stalled_count",
}
_TEXTS = {
    b"name": "name",
    b"data": "data",
    b"opts": "opts",
    b"progress": "progress",
    b"returnvalue": "return_value",
    b"failedReason": "failed_reason",
    b"stacktrace": "stacktrace",
    b"parentKey": "parent_key",
    b"rjk": "scheduler_id",
    b"deid": "deduplication_id",
    b"defa": "deferred_failure",
    b"pb": "processed_by",
    b"toril:runs": "runs",
}
#: Fields a list needs; `data`, `returnvalue` and `stacktrace` are read on the job's own page alone.
SUMMARY_FIELDS: tuple[bytes, ...] = (
    *(
        name
        for name in (*_INTEGERS, *_TEXTS)
        if name not in (b"data", b"returnvalue", b"stacktrace", b"progress", b"toril:runs")
    ),
    b"attemptsMade",
    b"stalledCounter",
)
#: Every field a `JobRecord` is made of.
ALL_FIELDS: tuple[bytes, ...] = (*_INTEGERS, *_TEXTS, b"attemptsMade", b"stalledCounter")


def job_record(
    job_id: str,
    fields: Mapping[bytes, bytes],
    *,
    data_size: int | None = None,
    cut: frozenset[str] = frozenset(),
) -> JobRecord:
    """A job from its hash. An empty mapping gives a record that does not exist. Never raises.

    `cut` names the fields that were shortened on purpose, which no longer need to be JSON.
    """
    if not fields:
        return JobRecord(job_id, exists=False, problems=("its hash is gone: only the id is left in the list",))
    values: dict[str, Any] = {}
    problems: list[str] = []
    for wire, name in _INTEGERS.items():
        if (value := fields.get(wire)) is None:
            continue
        if len(value) <= _SAFE_DIGITS and value.isdigit():
            # Nearly always, and the mirror reads thousands a second.
            values[name] = int(value)
        else:
            number, problem = integer(wire.decode(), value)
            if problem:
                problems.append(problem)
            else:
                values[name] = number
    # BullMQ ≤ 4 wrote other names, and readers prefer them where they are left (PROTOCOL.md §1).
    for wire, name in ((b"attemptsMade", "attempts_made"), (b"stalledCounter", "stalled_count")):
        if wire in fields and not (found := integer(wire.decode(), fields[wire]))[1]:
            values[name] = found[0]
    for wire, name in _TEXTS.items():
        if wire in fields:
            values[name] = text(fields[wire])
    problems += [f"{name} is not JSON" for name in ("data", "opts") if _is_bad_json(name, values, cut)]
    return JobRecord(job_id, **values, problems=tuple(problems), data_size=data_size)


def _is_bad_json(name: str, values: Mapping[str, Any], cut: frozenset[str]) -> bool:
    return name in values and name not in cut and not is_json(values[name])


def integer(name: str, value: bytes) -> tuple[int, str | None]:
    """A whole number from a hash field, or 0 and the sentence that says what is wrong with it."""
    if len(value) <= _SAFE_DIGITS and value.isdigit():
        return int(value), None
    try:
        number = int(value) if len(value) < 20 else int(float(value))
    except (ValueError, OverflowError):
        try:
            number = int(float(value))
        except (ValueError, OverflowError):
            return 0, f"{name} is not a number: {text(value)[:40]}"
    if abs(number) > LARGEST:
        return 0, f"{name} is out of range: {text(value)[:40]}"
    return number, None


def is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def parse_json(value: str) -> Any:
    """The value, or None where the text is not JSON (see `problems` for the difference)."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def parse_finite(value: str) -> Any:
    """The value, or None where the text is not JSON or holds a number that no JSON can say again (NaN, 1e999)."""
    try:
        return _finite(value)
    except (ValueError, RecursionError):
        return None


def _number(digits: str) -> float:
    found = float(digits)
    if not isfinite(found):
        raise ValueError(digits)
    return found


def _no_number(word: str) -> None:
    raise ValueError(word)


_finite = json.JSONDecoder(parse_float=_number, parse_constant=_no_number).decode


def pairs(flat: Iterable[bytes] | Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    """HGETALL's flat reply, or a RESP3 map, as a dict."""
    if isinstance(flat, list):
        return dict(zip(flat[::2], flat[1::2], strict=False))
    if flat is None:
        return {}
    if isinstance(flat, Mapping):
        return dict(flat)
    items = list(flat)
    return dict(zip(items[::2], items[1::2], strict=False))


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What one round trip says of one queue. Counts of any BullMQ version: `waiting` adds the legacy `paused` list.

    `oldest_waiting_ms` is when the next waiting job to run was added; `rate_limited_ms` how long the limiter holds.
    A `broken` queue has a structural key of the wrong type; the sentence says which.
    """

    name: str
    counts: Mapping[str, int] = field(default_factory=dict)
    is_paused: bool = False
    concurrency: int | None = None
    rate_limit_max: int | None = None
    rate_limit_duration_ms: int | None = None
    rate_limited_ms: int = 0
    oldest_waiting_ms: int | None = None
    version: str = ""
    broken: str = ""
    schedulers: int = 0
