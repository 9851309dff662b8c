"""Programs say who they are: by key, token or session; and are told what they may, and nothing else."""

from __future__ import annotations

import pytest

from dashboard.credentials import keys
from tests.web.keyed import Program, plant_key, program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]


@pytest.fixture(autouse=True)
def _nothing_known():
    keys.known.clear()


async def test_a_key_is_known_by_either_header_and_may_what_it_says():
    key = await plant_key(abilities=["retry"], queues=["mails-*"])
    told = (await program(key).get("/api/who/mails-1")).json()
    assert "job.retry" in told["may"]
    assert "job.remove" not in told["may"]
    assert (await Program(**{"X-API-Key": key}).get("/api/who/mails-1")).json() == told
    assert (await program(key).get("/api/who/chat")).status_code == 404
    who = (await program(key).get("/api/who")).json()
    assert who["actor"] == "key:deploy"
    assert who["caller"].startswith("key:")
