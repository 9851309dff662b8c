"""A job's payloads read slice by slice to their end, as a tree and raw; and what is no JSON."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.utils import timezone

from queues.models import Job
from tests.web.planted import is_inert, plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"
ROWS = [{"id": 10**20 + n, "deep": {"list": [{"n": n}, {"text": "x" * 70}]}} for n in range(1_500)]


async def to_the_end(browser, path: str) -> str:
    """Everything that this field's slices show, by asking for more until there is none."""
    told, asked = "", 0
    while path:
        html = (await browser.get(path, htmx=asked > 0)).content.decode()
        told += html
        more = re.search(r'hx-get="([^"]*show=data&amp;at=[^"]*)"', html)
        path, asked = unescape(more[1]) if more else "", asked + 1
        assert asked < 100
    return told


@pytest.mark.parametrize("view", ["", "&view=raw"])
async def test_asking_for_more_until_the_end_shows_every_value_once(viewer, connection, client_of_redis, prefix, view):
    stored = json.dumps({"rows": ROWS, "end": True})
    plant_job(client_of_redis, prefix, "chat", "7", data=stored)
    told = await to_the_end(viewer, f"{QUEUE}/7?show=data{view}")
    assert [int(number) - 10**20 for number in re.findall(r"\b1\d{20}\b", told)] == list(range(1_500))
    assert "&quot;end&quot;" in told


async def test_a_long_text_unfolds_in_its_row_and_a_longer_one_says_where_the_rest_is(
    viewer, connection, client_of_redis, prefix
):
    data = json.dumps({"long": "a" * 5_000 + "END", "longer": "b" * 200_000, "last": 12345678901234567890})
    plant_job(client_of_redis, prefix, "chat", "7", data=data)
    told = await to_the_end(viewer, f"{QUEUE}/7")
    assert "… 3,005 more characters" in text_of(told)
    assert "aEND" in told
    assert "… and more, in the download" in told
    assert "12345678901234567890" in told
    assert len(told) < 300_000


NO_JSON = ["{oops", "plain text", "", '{"a":1} x', "[1,2", '"half', "\x1b[31m", "<img src=x onerror=alert(2)>'\">"]


@pytest.mark.parametrize("data", NO_JSON)
async def test_what_is_no_json_is_shown_as_text_with_what_is_wrong(viewer, connection, client_of_redis, prefix, data):
    plant_job(client_of_redis, prefix, "chat", "7", data=data, opts=data, returnvalue=data, progress=data)
    for query in ("", "?show=data&view=raw", "?fragment=payload&show=data"):
        answer = await viewer.get(f"{QUEUE}/7{query}")
        html = answer.content.decode()
        assert answer.status_code == 200
        assert is_inert(html)
        assert not data or "This is not JSON" in text_of(html)
        assert not data or unescape(html).count(data) >= 1


async def test_the_mirrors_copy_is_sliced_the_same_way(viewer, connection):

    stored = json.dumps({"rows": ROWS})
    kept = {"queue": "chat", "job_id": "9", "timestamp_ms": 1, "state": "completed", "name": "kept", "data": stored}
    await Job.objects.acreate(**kept, removed_at=timezone.now())
    told = await to_the_end(viewer, f"{QUEUE}/9")
    assert [int(number) - 10**20 for number in re.findall(r"\b1\d{20}\b", told)] == list(range(1_500))
