"""Whatever a name, path or error holds, the log stays one line per event and drives no terminal."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
import structlog
from daphne.access import AccessLogGenerator
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard import body_limit, logs
from queues.runs import journal
from queues.worker import logs as worker_logs

EVIL = [
    "a\nb",
    "a\r\nERROR forged",
    "\x1b[2J\x1b]0;owned\x07",
    "\x00",
    "\u2028x\u2029",
    "\u202eevil",
    "\x85",
    "\x9b31m",
    "{}%s%d",
]


@pytest.fixture(params=["text", "json"])
def written(request) -> Iterator[StringIO]:
    """What a handler with our formatter writes; `written.form` is which."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    described = logs.django_logging("INFO", request.param)["formatters"]["line"]
    handler.setFormatter(described.pop("()")(**described))
    logger = logging.getLogger("toril.test")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    stream.form = request.param  # type: ignore[attr-defined]
    yield stream
    logger.removeHandler(handler)


def lines(written: StringIO) -> list[str]:
    text = written.getvalue()
    assert not any(ord(char) < 32 and char != "\n" for char in text)
    assert not any(char in text for char in "\x7f\x85\x9b\u2028\u2029\u202e")
    return text.splitlines()


@pytest.mark.parametrize("evil", EVIL)
def test_an_event_is_one_line(written, evil):
    structlog.get_logger("toril.test").warning("job failed", queue=evil, reason=evil)
    logging.getLogger("toril.test").warning("Not Found: %s", evil)
    logging.getLogger("toril.test").error(evil)
    assert len(lines(written)) == 3


def test_a_traceback_belongs_to_its_event(written):
    try:
        raise ValueError("first\nERROR forged line\x1b[2J")
    except ValueError:
        structlog.get_logger("toril.test").exception("it failed")
    shown = lines(written)
    if written.form == "json":
        assert "forged" in json.loads(shown[0])["exception"]
        assert len(shown) == 1
    else:
        assert all(line.startswith("    | ") for line in shown[1:])
        assert any("forged" in line for line in shown[1:])


@given(
    st.text(),
    st.dictionaries(
        st.text(min_size=1, max_size=5), st.text(max_size=20) | st.binary(max_size=5) | st.none(), max_size=3
    ),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_nothing_that_is_logged_breaks_the_log(event, fields):
    for form in (logs.as_text, structlog.processors.JSONRenderer()):
        line = form(None, "info", {**fields, "timestamp": "t", "level": "info", "logger": "l", "event": event})
        assert "\n" not in str(line)


class Taken:
    id, name, attempts_made, attempts = "12", "welcome\n", 1, 3


@contextmanager
def journalled() -> Iterator[logging.StreamHandler[StringIO]]:
    """A handler of the workers' lines, and of no others."""
    handler, level = logging.StreamHandler(StringIO()), journal.log.level
    journal.log.addHandler(handler)
    journal.log.setLevel("INFO")
    try:
        yield handler
    finally:
        journal.log.removeHandler(handler)
        journal.log.setLevel(level)


def completed(handler: logging.StreamHandler[StringIO]) -> str:
    journal.completed("chat", Taken, 5)  # type: ignore[arg-type]
    return handler.stream.getvalue()


JOB = {"queue": "chat", "job_id": "12", "job_name": "welcome\n", "attempt": 2, "duration_ms": 5, "level": "info"}


def test_a_jobs_line_names_it_in_words_and_as_json_in_fields_too():
    shown = {}
    for form in ("text", "json"):
        with journalled() as handler:
            handler.setFormatter(logs.LineFormatter(form))
            shown[form] = completed(handler)
    assert shown["text"].endswith("Z info    queues.worker: completed chat 12 “welcome” (attempt 2 of 3) in 5 ms\n")
    assert JOB.items() <= json.loads(shown["json"]).items()


def test_where_the_settings_have_no_such_format_workers_have_their_own(monkeypatch):
    with override_settings(LOGGING={}), journalled() as handler:
        monkeypatch.setattr(worker_logs, "_handlers", lambda: [handler])
        worker_logs.configure("json")
        fields = json.loads(completed(handler))
        assert worker_logs.is_json()
        handler.setFormatter(logs.LineFormatter("json"))
        handler.stream.truncate(handler.stream.seek(0))
        assert fields.keys() == json.loads(completed(handler)).keys()
        worker_logs.configure("text")
        assert completed(handler).endswith(" INFO completed chat 12 “welcome” (attempt 2 of 3) in 5 ms\n")
    assert JOB.items() <= fields.items()


def test_what_opens_something_is_in_no_line(written):
    key, secret = f"toril_{'a' * 8}_{'b' * 43}", "whsec_" + "c" * 43 + "="
    token = "eyJhbGciOi.eyJpc3MiOi.x-_y"
    told = f"GET /api/events?queue=chat&token={token}&since=1-0 HTTP/1.1 {key} {secret}"
    structlog.get_logger("toril.test").warning("slow", request=told)
    logging.getLogger("toril.test").warning("took too long: %s", told)
    try:
        raise ValueError(told)
    except ValueError:
        logging.getLogger("toril.test").exception("failed")
    text = written.getvalue()
    assert not any(each in text for each in (token, "b" * 43, "c" * 43))
    assert text.count("?queue=chat&token=") >= 3
    assert "since=1-0" in text
    assert f"toril_{'a' * 8}_" in text, "which key it was is no secret"
    stream = StringIO()
    body_limit.install()
    AccessLogGenerator(stream)("http", "complete", {
        "client": "127.0.0.1:5", "method": "GET", "path": f"/api/events?token={token}\x1b[2J", "status": 200, "size": 1,
    })  # fmt: skip
    assert token not in stream.getvalue()
    assert '"GET /api/events?token=…' in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_addresses_that_are_asked_are_not_told():
    loggers = logs.django_logging("DEBUG", "text")["loggers"]
    assert {loggers[name]["level"] for name in ("httpx", "httpcore")} == {"WARNING"}
