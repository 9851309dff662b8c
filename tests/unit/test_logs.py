"""Whatever a name, path or error holds, the log stays one line per event and drives no terminal."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard import logs
from queues.runs import journal

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


def test_a_jobs_line_names_it_in_words_and_as_json_in_fields_too():
    class Taken:
        id, name, attempts_made, attempts = "12", "welcome\n", 1, 3

    shown = {}
    for form in ("text", "json"):
        stream = StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logs.LineFormatter(form))
        logger, level = journal.log, journal.log.level
        logger.addHandler(handler)
        logger.setLevel("INFO")
        try:
            journal.completed("chat", Taken, 5)  # type: ignore[arg-type]
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
        shown[form] = stream.getvalue()
    assert shown["text"].endswith("Z info    queues.worker: completed chat 12 “welcome” (attempt 2 of 3) in 5 ms\n")
    fields = json.loads(shown["json"])
    assert {key: fields[key] for key in ("queue", "job_id", "job_name", "attempt", "duration_ms", "level")} == {
        "queue": "chat",
        "job_id": "12",
        "job_name": "welcome\n",
        "attempt": 2,
        "duration_ms": 5,
        "level": "info",
    }
