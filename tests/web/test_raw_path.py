"""What a browser sends is what a view gets: `%2F` stays inside its segment, and nothing is decoded twice."""

from __future__ import annotations

import pytest
from django.urls import resolve
from hypothesis import given
from hypothesis import strategies as st

from dashboard import links
from queues.protocol.codec import text

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]
BASE = "/admin/queues/queue"


async def test_queue_and_job_are_told_apart(viewer):
    assert (await viewer.get(f"{BASE}/a%2Fb/1")).json()["queue"] == "a/b"
    assert (await viewer.get(f"{BASE}/a/b%2F1")).json()["job_id"] == "b/1"
    assert "job_id" not in (await viewer.get(f"{BASE}/a%2Fb")).json()


@pytest.mark.parametrize(
    ("sent", "job_id"),
    [
        ("x%2Fretry", "x/retry"),
        ("%252F", "%2F"),
        ("%25", "%"),
        ("%F0%9F%90%82", "🐂"),
        ("%22%27%3Cb%3E", "\"'<b>"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("%3Fx=1", "?x=1"),
        ("a%0Ab", "a\nb"),
        ("%5C", "\\"),
        ("%2F%2F", "//"),
        ("..%2F..%2Fetc", "../../etc"),
        ("a;b", "a;b"),
        ("a@b:c", "a@b:c"),
        ("%EF%BF%BD", text("\ufffd".encode())),
        ("%FF", text(b"\xff")),
        ("%00", text(b"\x00")),
        ("%e9", text(b"\xe9")),
    ],
)
async def test_each_segment_is_decoded_exactly_once(viewer, sent, job_id):
    answer = await viewer.get(f"{BASE}/a/{sent}")
    assert answer.json()["job_id"] == job_id


@pytest.mark.parametrize(
    "path", [f"{BASE}/a/b/c", f"{BASE}/", f"{BASE}//b", f"{BASE}/a/", "/admin/queuesx", "/admin%2Fqueues"]
)
async def test_what_is_no_address_of_ours_is_not_found(viewer, path):
    assert (await viewer.get(path)).status_code in (302, 404)
    assert "queue" not in (await viewer.get(path)).content.decode("utf-8", "replace")[:20]


@pytest.mark.parametrize("path", ["/admin/queues", "/admin/queues/"])
async def test_the_dashboard_answers_with_and_without_the_last_slash(viewer, path):
    assert (await viewer.get(path)).json()["raw"] == path


names = st.binary(min_size=1, max_size=10).map(text).filter(lambda name: name not in (".", ".."))


@given(queue=names, job_id=names)
def test_every_name_arrives_as_it_was(queue, job_id):
    """Through the resolver alone: the addresses that `links` makes lead to the names they were made of."""
    found = resolve(links.job_url("default", queue, job_id), "tests.web.echo")
    assert found.kwargs == {"queue": queue, "job_id": job_id}


async def test_where_the_server_hides_the_raw_path_ordinary_names_still_work(viewer):
    viewer.hides_raw_path = True
    answer = await viewer.get(f"{BASE}/caf%C3%A9%20%25/1")
    assert (answer.json()["queue"], answer.json()["job_id"]) == ("café %", "1")


async def test_below_another_sites_root_the_rest_is_resolved(viewer, settings):
    settings.FORCE_SCRIPT_NAME = "/toril"
    answer = await viewer.get("/toril" + BASE + "/a%2Fb/1")
    assert answer.json()["queue"] == "a/b"
    assert answer.json()["raw"] == "/toril" + BASE + "/a%2Fb/1"
