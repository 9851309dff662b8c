"""Every parser of what others wrote or send, as a function of bytes: it returns, or raises what it declares.

`TARGETS`: name → function. What a target raises is a fault, whatever it is; so is a broken promise that it asserts.
Nothing here connects to anything.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpRequest, QueryDict
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from dashboard import cron_words, difference, json_text, links, logs, raw_path, socket_door, veiled
from dashboard.api.board import asked as board_asked
from dashboard.api.board import written as board_written
from dashboard.api.v1 import bounds, etags, paging
from dashboard.api.v1.values import value_of
from dashboard.credentials import tokens
from dashboard.live import commands, notice
from dashboard.live.facts import fields_of
from dashboard.live.subscription import subscription
from dashboard.live.viewer import Place as Seat
from dashboard.pages.audit import lines as audit_lines
from dashboard.pages.job import frames, option_words, timeline
from dashboard.pages.listing import cells, filtering
from dashboard.pages.payload import json_html, json_rows, log_lines
from dashboard.pages.search import narrowing
from dashboard.pages.shell import exports
from queues import fingerprints, patterns, stacks
from queues.console import arguments
from queues.delivery import addresses
from queues.errors import TorilError
from queues.lookups.search import query
from queues.lookups.search.entries import entry, texts
from queues.lookups.search.expressions import parts_of
from queues.lookups.search.matches import FTS5, TSQUERY, match
from queues.lookups.search.seen import Seen
from queues.masking import mask_json, mask_text
from queues.mirror.fold import fold
from queues.models import Job
from queues.operations.target import Reach, Target
from queues.producer import checks
from queues.protocol import attempts, codec, cron, crontab, events, fleet, orders, samples, taken
from queues.protocol.reads import about, schedulers, server
from queues.protocol.scheduling import schedule_of
from queues.protocol.suspending import Definition
from queues.states import State
from queues.tasks import story

NOW_MS = 1_760_000_000_000
FIELDS = (*codec.ALL_FIELDS, b"parent", b"child", b"odd")
QUEUE = "chat"
CELLS = [
    *(cells.state, cells.error, cells.due, cells.priority, cells.attempts, cells.progress, cells.delay, cells.waited),
    *(cells.ran, cells.worker, cells.scheduler, cells.started, cells.finished, cells.added, cells.touched),
]
TARGETS: dict[str, Callable[[bytes], None]] = {}


def target(function: Callable[[bytes], None]) -> Callable[[bytes], None]:
    TARGETS[function.__name__] = function
    return function


@contextlib.contextmanager
def refusals(*more: type[Exception]) -> Iterator[None]:
    """What is declared: a sentence for whoever sent it."""
    with contextlib.suppress(TorilError, *more):
        yield


def pieces(data: bytes) -> list[bytes]:
    """Several values of one input: what tells them apart is part of it."""
    return data.split(b"\xfe")


def fields(data: bytes) -> dict[bytes, bytes]:
    """A hash: known names in turn, which a leading byte may change."""
    told = {}
    for at, piece in enumerate(pieces(data)):
        name = FIELDS[(piece[0] + at) % len(FIELDS)] if piece else b""
        told[name] = piece[1:]
    return told


def words(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def sent(data: bytes) -> str:
    """As a request brings it: UTF-8, or replaced."""
    return data.decode("utf-8", "replace")


# --- what workers and producers write


@target
def job_hash(data: bytes) -> None:
    record = codec.job_record(codec.text(data[:20]), fields(data))
    job = Job.from_record("default", QUEUE, list(State)[len(data) % len(State)], record)
    for draw in CELLS:
        draw(job, cells.Teller(may_read=bool(len(data) % 2)))
    job.options, job.attempts, job.stacks, job.problem_list, job.first_error_line  # noqa: B018
    option_words.in_words(job), option_words.retention(job)
    timeline.timeline(job, NOW_MS, attempts.read_runs(job.runs))
    timeline.waited_ms(job), timeline.ran_ms(job), cells.error_line(job)
    job.timestamp_ms = max(0, job.timestamp_ms)
    entry(job), texts(job)


@target
def taken_job(data: bytes) -> None:
    told = [part for pair in fields(data).items() for part in pair]
    fetched = taken.read_fetched([told, data[:20], b"0", b"0"])
    job = fetched.job
    assert job is not None
    job.attempts_started, job.processed_on_ms, job.runs, job.timestamp_ms, job.first_due_ms, job.fetch_marks  # noqa: B018
    job.attempts, job.traces()
    taken.job_options(data)


@target
def bytes_as_text(data: bytes) -> None:
    shown = codec.text(data)
    assert codec.raw(shown) == data
    assert "\0" not in shown
    shown.encode()
    name = codec.text(data[:2_000])
    assert links.name_of(links.segment(name)) == name
    links.fragment_id("row", name, name)
    codec.integer("n", data)


@target
def stream_entry(data: bytes) -> None:
    kinds = (b"added", b"waiting", b"active", b"completed", b"failed", b"progress", b"delayed", b"stalled", b"removed")
    parts = pieces(data)
    told = []
    for at, piece in enumerate(parts[:20]):
        kind = kinds[piece[0] % len(kinds)] if piece and piece[0] < 200 else piece
        flat = [
            b"event",
            kind,
            b"jobId",
            piece[1:4],
            b"data",
            piece,
            b"prev",
            piece[:7],
            b"returnvalue",
            piece,
            piece,
            b"",
        ]
        told.append(events.entry_event(QUEUE, b"%d-%d" % (NOW_MS + at, at), flat))
    fold(told, 1_000)
    for event in told:
        if found := notice.notice_of(event, None):
            found.full.text, found.bare.text  # noqa: B018


@target
def client_list(data: bytes) -> None:
    lines = b"\n".join(b"id=3 addr=%b name=bull:%b age=%b cmd=bzpopmin" % (p[:9], p, p[-3:]) for p in pieces(data))
    server.listeners(lines, "bull")
    server.listeners(data, "bull")


@target
def server_answers(data: bytes) -> None:
    server.read_info(data)
    about.info_values(data)
    found = about.About(about.info_values(data))
    for name in found.info:
        found.number(name)


@target
def heartbeat(data: bytes) -> None:
    fleet.read("p-1", data)
    fleet.shown_name(codec.text(data)), fleet.is_process_id(codec.text(data))
    flat = pieces(data)
    orders.read(
        dict(zip((b"verb", b"process", b"request", b"until_ms", b"queue", b"job_id", b"reason"), flat, strict=False))
    )
    samples._counts(flat), samples._ended(flat), samples._names(flat)


@target
def earlier_runs(data: bytes) -> None:
    found = attempts.read_runs(codec.text(data))
    attempts.runs_json(codec.text(data), attempts.Run(3, 1, 2, words(data)[:10]))
    assert found == sorted(found, key=lambda run: run.number)


@target
def scheduler_hash(data: bytes) -> None:
    names = (
        b"name",
        b"pattern",
        b"every",
        b"tz",
        b"startDate",
        b"endDate",
        b"limit",
        b"ic",
        b"offset",
        b"opts",
        b"data",
    )
    parts = pieces(data)
    stored = {names[piece[0] % len(names)]: piece[1:] for piece in parts if piece}
    rule = schedule_of(data[:9], stored, parts[-1][:16])
    with refusals():
        cron_words.cron_words(rule.pattern)
    schedulers.slot_ms(codec.text(data)), schedulers.scheduler_of(codec.text(data))
    with refusals(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        Definition.from_json(words(data).encode("utf-8", "replace").decode())


# --- what they carry, as it is shown


@target
def masks(data: bytes) -> None:
    text = codec.text(data)
    mask_json(text)
    mask_text(text)
    value_of(text)


@target
def payload_rows(data: bytes) -> None:
    text = codec.text(data)
    found = json_rows.slice_of(text, json_rows.Place(), is_cut=bool(len(data) % 2))
    html = json_html.drawn(found.rows, has_start=True)
    assert "<script" not in html
    if '"' in text:
        json_rows.after_string(data, json_rows.Place(at=data.find(b'"')))


@target
def editor(data: bytes) -> None:
    text = codec.text(data[:4_096])
    wrong = json_text.mistake(text)
    assert wrong is None or wrong.sentence
    shown = veiled.veil(text, may_reveal=False)
    veiled.unveil(shown.shown, shown), veiled.unveil(text, shown)
    laid = json_text.laid_out(text)
    json_text.members(text)
    if wrong is None:
        assert json_text.is_same(text, laid)
    difference.difference(text[:2_000], laid[:2_000])
    board_written.as_stored(text)


@target
def stack_traces(data: bytes) -> None:
    text = codec.text(data)
    fingerprints.fingerprint(text[:30], text, text)
    fingerprints.latest_stack(text), stacks.headline(text), stacks.innermost_own_frame(text), frames.parts(text)
    story._LINE.search(text)


@target
def log_line(data: bytes) -> None:
    text = codec.text(data)
    log_lines.plain(text), log_lines.level(text)
    assert len(logs.one_line(words(data)).splitlines()) <= 1
    logs.without_secrets(text)


@target
def exported_cells(data: bytes) -> None:
    text = codec.text(data)
    told = exports.written([{"a": text, "b": 1}], ["a", "b"], "csv").decode()
    ((cell, number),) = csv.reader(io.StringIO(told, newline=""))
    assert not cell.lstrip(" \xa0\ufeff").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "|", "%"))
    assert number == "1"
    exports.written([{"a": text}], ["a"], "jsonl")


@target
def metric_label(data: bytes) -> None:
    class One:
        def collect(self) -> Iterator[Any]:
            family = GaugeMetricFamily("bullmq_job_count", "Jobs", labels=["queue"])
            family.add_metric([codec.text(data)], 1)
            yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(One())  # type: ignore[arg-type]
    text = generate_latest(registry).decode()
    if "\r" not in text and len(text) < 2_000:
        found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        assert len(found) == 1


# --- what people and programs send


@target
def search(data: bytes) -> None:
    # A server hangs up on a longer address.
    text = sent(data[:16_000])
    narrowing.terms(text), narrowing.by_state(text), narrowing.with_term(text, "state", "failed")
    with refusals():
        found = query.parse(text, NOW_MS)
        parts_of(found.root)
        for language in (FTS5, TSQUERY):
            match(found.root, Seen(), language)


@target
def list_filter(data: bytes) -> None:
    asked = QueryDict(mutable=True)
    for name, piece in zip(filtering.NAMES, pieces(data), strict=False):
        asked[name] = sent(piece)
    complaints: list[str] = []
    found = filtering.read_filter(asked, complaints)
    again: list[str] = []
    written = QueryDict(mutable=True)
    written.update(filtering.written(found))
    assert filtering.read_filter(written, again) == found
    assert not again
    patterns.fits(sent(data[:40]), sent(data[40:80]))


@target
def timetable(data: bytes) -> None:
    pattern, _, zone = sent(data).partition("\n")
    with refusals(ValueError):
        crontab.parse(pattern)
    with refusals():
        cron.next_ms(pattern, NOW_MS, tz=zone)
        cron.previous(pattern, NOW_MS, 2, zone)
        cron_words.cron_words(pattern)


@target
def request_body(data: bytes) -> None:
    with refusals():
        bounds.parsed(data)
    board_asked.number(sent(data[:40]))
    etags.matches(sent(data), '"abc"')
    with refusals():
        checks.job_id("jobId", sent(data)), checks.queue_name(sent(data)), checks.scheduler_id(sent(data))


@target
def cursor(data: bytes) -> None:
    text = sent(data)
    with refusals():
        paging.opened(text, "jobs")
    with refusals():
        paging.part_of(["a", "b"], str, "jobs", text, 1)
    notice.read_mark(text)
    assert paging.opened(paging.sealed("jobs", text), "jobs") == [text]


@target
def form_targets(data: bytes) -> None:
    text = sent(data)
    with refusals():
        assert Target.from_json(Target.from_json(text).to_json())
    with refusals(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        Reach.from_json(text)
    audit_lines._parameters(text, may_read=True)
    with refusals(ValueError, arguments.argparse.ArgumentTypeError):
        arguments.span_ms(text)


@target
def socket_words(data: bytes) -> None:
    with refusals():
        asked = commands._read(sent(data))
        asked.pop("action", None)
        commands._place(asked.pop("since", None))
        assert subscription(asked).told is not None
    Seat.of(data)
    fields_of(data, ("userId", "user.id"))


@target
def token(data: bytes) -> None:
    steps = tokens.bearer(sent(data))
    try:
        # Keys of the tests' issuer lie here, so nothing is awaited.
        steps.send(None)
    except StopIteration as said:
        raise AssertionError(f"a token that nobody signed was believed: {said.value}") from None
    except TorilError:
        return
    steps.close()
    raise AssertionError("a token was asked for elsewhere")


@target
def origin(data: bytes) -> None:
    host, _, told = sent(data).partition("\n")
    is_own = socket_door.is_own_page(host, told)
    assert not is_own or "evil" not in told
    scope = {"headers": [(b"host", data), (b"origin", data)], "query_string": data[:99]}
    socket_door._is_program(scope, socket_door._headers(scope))


@target
def path(data: bytes) -> None:
    request: Any = HttpRequest()
    request.path = request.path_info = sent(data)
    request.scope = {"raw_path": data, "path": sent(data)}
    raw_path._sent(request)
    raw_path.Segment().to_python(sent(data).encode("ascii", "replace").decode())


@target
def webhook_address(data: bytes) -> None:
    with refusals():
        place = addresses.read(sent(data))
        assert place.host
        assert "@" not in place.authority
        assert place.target.isascii()
        assert not set(place.target) & set(" \r\n\t")
