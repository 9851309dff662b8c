"""Any name survives the way into an address and back; ids are safe and never meet; figures never raise."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from django.template import Context
from hypothesis import given
from hypothesis import strategies as st

from dashboard import links, moments
from dashboard.drawing import from_string
from dashboard.tags import toril
from queues.models import Job, Queue
from queues.protocol.codec import text

#: Names as Redis may hold them: any bytes, told as text by the codec.
names = st.binary(max_size=12).map(text) | st.text(max_size=8).map(lambda t: text(t.encode("utf-8", "surrogatepass")))
ODD = [
    "a/b",
    "b/1",
    "x/retry",
    "%2F",
    "..",
    ".",
    "",
    " ",
    "a b",
    "🐂",
    "\"'<b>",
    "?x=1#y",
    "\\",
    "//",
    "a%00b",
    text(b"\xff\x00"),
    "-",
    "+",
    ";",
]


@given(names, names, st.sampled_from(["default", "second", "a&b"]))
def test_a_job_is_found_again_from_its_address(queue, job_id, connection):
    parts = urlsplit(links.job_url(connection, queue, job_id, status="failed"))
    query = parse_qs(parts.query, keep_blank_values=True)
    assert query["status"] == ["failed"]
    assert query.get("connection", ["default"]) == [connection]
    if parts.path == "/admin/queues/queue":
        found = (query["name"][0], query["id"][0])
    else:
        root, given_queue, given_id = parts.path.rsplit("/", 2)
        assert root == "/admin/queues/queue"
        found = (links.name_of(given_queue), links.name_of(given_id))
    assert found == (queue, job_id)


@given(names, names, names, names)
def test_two_things_never_share_an_address_or_an_id(a, b, c, d):
    if (a, b) != (c, d):
        assert links.job_url("default", a, b) != links.job_url("default", c, d)
        assert links.fragment_id("job", a, b) != links.fragment_id("job", c, d)
        assert links.fragment_id("job", a) != links.fragment_id("job", c, d)


@given(names)
def test_a_browser_does_not_resolve_a_part_of_the_address_away(name):
    for address in (links.queue_url("default", name), links.job_url("default", "q", name)):
        assert urljoin("http://h/x/y/z", address) == "http://h" + address
        assert all(part not in (".", "..") for part in urlsplit(address).path.split("/"))
        assert address.isascii()


@given(st.lists(names, max_size=3))
def test_an_id_needs_no_escaping_anywhere(parts):
    assert re.fullmatch(r"queue-row[A-Za-z0-9_-]*", links.fragment_id("queue-row", *parts))


@pytest.mark.parametrize("name", ODD)
def test_tags_and_functions_agree(name):
    queue, job = Queue(name=name), Job(queue="q", job_id=name)
    context = {"queue": queue, "job": job, "connection": "default"}
    drawn = from_string("{% load toril %}{% queue_url queue %} {% job_url job action='retry' %}").render(
        Context(context, autoescape=False)
    )
    assert drawn == f"{links.queue_url('default', name)} {links.job_url('default', 'q', name, action='retry')}"
    assert from_string("{% load toril %}{% fragment_id 'row' queue.name %}").render(
        Context(context)
    ) == links.fragment_id("row", name)


def drawn(template: str, **context: object) -> str:
    return from_string("{% load toril %}" + template).render(Context(context))


def test_the_pages_connection_is_kept_and_the_default_left_out():
    assert drawn("{% overview_url %} {% queue_url 'chat' %}") == "/admin/queues/ /admin/queues/queue/chat"
    assert drawn("{% queue_url 'chat' %}", connection="eu") == "/admin/queues/queue/chat?connection=eu"
    assert drawn("{% overview_url connection='us' %}", connection="eu") == "/admin/queues/?connection=us"
    assert drawn("{% queue_url q %}", q=Queue(name="chat", connection="eu")) == "/admin/queues/queue/chat?connection=eu"
    assert drawn("{% job_url 'chat' 'a/1' %}") == "/admin/queues/queue/chat/a%2F1"
    assert (
        drawn("{% queue_url j status='failed' page=2 %}", j=Job(queue="chat", job_id="1"))
        == "/admin/queues/queue/chat?status=failed&amp;page=2"
    )
    assert (
        drawn("{% live_url %} {% live_url 'a/b' '1' %}")
        == "/admin/queues/live /admin/queues/live?queue=a%2Fb&amp;job=1"
    )


def test_below_another_sites_root_every_address_begins_with_it(settings):
    settings.FORCE_SCRIPT_NAME = "/toril"
    assert links.queue_url("default", "chat") == "/toril/admin/queues/queue/chat"
    assert links.live_url() == "/toril/admin/queues/live"


# --- figures

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (-5, "0 ms"),
        (0, "0 ms"),
        (81, "81 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (3_849, "3.8 s"),
        (59_999, "59.9 s"),
        (60_000, "1 min"),
        (200_000, "3 min 20 s"),
        (2_460_000, "41 min"),
        (18_600_000, "5 h 10 min"),
        (36_000_000, "10 h"),
        (100_000_000, "1 d 3 h"),
        (31_536_000_000_000, "365,000 d"),
    ],
)
def test_lengths_of_time_are_read_at_a_glance(ms, shown):
    assert toril.duration(ms) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (NOW, "just now"),
        (NOW - 1_500, "1 s ago"),
        (NOW - 180_000, "3 min ago"),
        (NOW + 7_200_000, "in 2 h"),
        (NOW - 864_000_000, "10 d ago"),
        (0, "19,675 d ago"),
    ],
)
def test_moments_are_seen_from_now(ms, shown):
    assert toril.ago(ms, NOW) == shown


def test_a_moment_holds_the_exact_time():
    assert toril.moment(NOW - 60_123, NOW) == (
        '<time datetime="2023-11-14T22:12:19.877Z" title="2023-11-14 22:12:19.877 UTC">1 min ago</time>'
    )
    assert "just now" in toril.moment(datetime.fromtimestamp(NOW / 1000, UTC), datetime.fromtimestamp(NOW / 1000, UTC))


def test_a_moment_that_no_calendar_knows_is_shown_as_its_number():
    assert toril.moment(10**17) == "100000000000000000"
    assert toril.moment(-(10**17)) == "-100000000000000000"
    assert toril.moment(None) == toril.moment("soon") == ""


numbers = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.datetimes()
    | st.builds(SimpleNamespace)
)


@given(numbers, numbers)
def test_no_figure_raises_whatever_a_job_holds(value, now):
    for filtered in (
        toril.moment(value, now),
        toril.ago(value, now),
        toril.age(value, now),
        toril.duration(value),
        toril.thousands(value),
    ):
        assert isinstance(filtered, str)


def test_thousands_are_separated():
    assert (toril.thousands(12904), toril.thousands(0), toril.thousands(None)) == ("12,904", "0", "None")


def test_the_clock_is_in_milliseconds():
    assert abs(moments.now_ms() - datetime.now(UTC).timestamp() * 1000) < 1000
