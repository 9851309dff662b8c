"""Every text that a person reads goes through gettext: where each message is put in brackets, nothing stands outside.

What is data is written here in Greek letters, so that it can be told from what Toril says.
"""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser

import pytest
from django.utils import timezone, translation
from django.utils.encoding import iri_to_uri

from dashboard import words
from dashboard.choices import zones
from dashboard.pages.queue import rows
from dashboard.pages.worker import page as workers
from queues import queue
from queues.protocol.fleet import Beat, RunningJob, Share
from tests.alerting import in_database, plant_alert
from tests.web.planted import plant_job
from tests.web.test_workers_page import plant as plant_beats

pytestmark = pytest.mark.django_db(transaction=True)
#: Names of products, formats and units: the same in every language.
NAMES = set(
    "Toril Redis Valkey BullMQ Node Python JSON UTC KB MB GB CPU TTL ID PID URL CLIENT LIST Ctrl K Enter Esc Shift PM "
    "AM Jan INFO PEM JWT html en py cron USE_JOB_QUEUE CSV master standalone noeviction".split()
)
#: What stands inside is code, data or a picture.
SKIPPED = {"script", "style", "pre", "code", "kbd", "svg", "textarea"}
READ_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt")


class Reader(HTMLParser):
    """Collects what is read of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("input", "meta", "link", "br", "img", "hr"):
            self._inside.append(tag)
        told = dict(attrs)
        if "datetime" in told or tag == "option":
            told.pop("title", None)
        self.texts += [value for name in READ_ATTRIBUTES if (value := told.get(name))]

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """What stands outside of brackets: a message may have markup inside."""
        outside = ""
        for letter in data:
            self._depth += (letter == "⟦") - (letter == "⟧")
            outside += letter if not self._depth and letter != "⟧" else " "
        is_zone = self._inside[-1:] == ["option"] and data.strip() in zones()
        if outside.strip() and not SKIPPED.intersection(self._inside) and not is_zone:
            self.texts.append(outside.strip())


def unsaid(text: str) -> str:
    """What is left of a text without its messages, data and figures."""
    before = None
    while before != text:
        before, text = text, re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    text = re.sub(r"redis://\S+|Linux \S+ \w+|CONFIG SET [\w -]+", " ", text)
    text = re.sub(r"\S*[\u0370-\u03ff]\S*|bullmq:\S+|toril:\S+|\d+ ?(min|h|d|s)\b", " ", text)
    return " ".join(word for word in re.findall(r"[A-Za-z][A-Za-z_]+", text) if word not in NAMES)


def left_over(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    return sorted({text[:120] for text in reader.texts if unsaid(text)})


@pytest.fixture
def bracketed(monkeypatch):
    """Each message as ⟦message⟧, wherever it is asked for."""
    real = {name: getattr(translation._trans, name) for name in ("gettext", "pgettext", "ngettext", "npgettext")}
    for name, ask in real.items():
        monkeypatch.setattr(translation._trans, name, lambda *told, ask=ask: f"⟦{ask(*told)}⟧")
    for kept in (rows._kept, workers._kept):
        kept.clear()
    words._words.cache_clear()
    yield
    for kept in (rows._kept, workers._kept):
        kept.clear()
    words._words.cache_clear()


@pytest.fixture
async def full(connection, client_of_redis, prefix):
    """A queue in every state, a paused one, one without workers, a worker, a scheduler; all in Greek."""
    # What is slow on a busy machine is told in Redis's own words.
    client_of_redis.config_set("slowlog-log-slower-than", -1)
    client_of_redis.slowlog_reset()
    now = int(time.time() * 1000)
    trace = json.dumps(["Σφάλμα: α\n    at γ (δ.js:1:2)"])
    for state in ("failed", "completed", "delayed", "prioritized", "waiting-children"):
        plant_job(
            client_of_redis, prefix, "ουρά", f"ι-{'αβγδε'[len(state) % 5] * len(state)}", state,
            name="δουλειά", failedReason="Σφάλμα: α", stacktrace=trace, data='{"α": 1}', returnvalue='"ω"',
            progress="40",
        )  # fmt: skip
    await queue("ουρά").add("δουλειά", {"α": 1}, job_id="ψ")
    await queue("κενή").add("δουλειά", {})
    await queue("κενή").pause()
    running = (RunningJob("ουρά", "ψ", "δουλειά", 2, now - 5_000, "50"),)
    beats = [
        Beat(
            id=f"p-{n}",
            name=f"εργάτης{n}",
            host="κόμβος",
            pid=n,
            version=f"{n}.0",
            started_ms=now - n,
            beat_ms=now - 15_000 * (n - 1),
            queues=(Share("ουρά", 2, 1),),
            running=running,
            running_count=9,
        )
        for n in (1, 2)
    ]
    await plant_beats(connection, *beats)
    await in_database(plant_alert)(1, "ουρά")
    await in_database(plant_alert)(2, "κενή", phase="cleared", cleared_at=timezone.now())
    yield
    client_of_redis.config_set("slowlog-log-slower-than", 10_000)


PAGES = [
    "", "?q=ξξξ", "?sort=failed", "workers", "workers?q=ξ", "workers?confirm=stop", "workers?confirm=quiet", "settings",
    "jump", "jump?q=ξξξ", "jump?q=ουρ", "queue/ουρά", "queue/ουρά?status=completed", "queue/ουρά?status=delayed",
    "queue/ουρά?status=failed", "queue/ουρά?status=active", "queue/ουρά?status=prioritized",
    "queue/ουρά?status=waiting-children", "queue/ουρά?status=failed&confirm=retry-all",
    "queue/ουρά?status=failed&confirm=clean", "queue/ουρά?confirm=drain", "queue/ουρά?confirm=obliterate",
    "queue/ουρά?form=add", "queue/ουρά?form=limits", "queue/κενή", "queue/ουρά/ψ", "queue/ουρά/ψ?form=edit",
    "queue/ουρά/ξ", "queue/ξ", "queue/ουρά/ι-ββββββ", "redis", "check", "audit", "operations",
    "operations/new?do=retry&queue=ουρά&state=failed", "operations/new?do=remove&queue=ουρά&state=failed",
    "metrics-history", "job-schedulers", "flows", "alerts", "alerts?form=rule", "alerts?form=silence", "alerts/1",
    "alerts?show=past",
]  # fmt: skip


async def test_nothing_that_is_read_stands_outside_a_message(admin, full, bracketed, settings):
    found = {}
    for path in PAGES:
        answer = await admin.get(iri_to_uri(f"/admin/queues/{path}"))
        if answer.status_code in (200, 404) and (left := left_over(answer.content.decode().replace(">admin<", ">ξ<"))):
            found[path] = left
        assert answer.status_code < 500, path
    assert found == {}, "\n".join(f"{path}: {left}" for path, left in found.items())


async def test_the_door_and_refusals_are_translated_too(anonymous, stranger, connection, bracketed):
    answers = [
        await anonymous.get("/sign-in"),
        await anonymous.post("/sign-in", {"username": "α", "password": "β"}),
        await stranger.get("/admin/queues/"),
        await stranger.get("/admin/queues/", htmx=True),
    ]
    found = [left_over(answer.content.decode().replace("stranger", "ξ")) for answer in answers]
    assert found == [[], [], [], []]


async def test_each_page_has_one_heading_and_its_landmarks(admin, full):
    for path in PAGES:
        html = (await admin.get(iri_to_uri(f"/admin/queues/{path}"))).content.decode()
        assert html.count("<h1") == 1, path
        assert all(html.count(f"<{landmark} ") == 1 for landmark in ("main", "aside")), path
        assert '<a class="skip" href="#main">' in html
