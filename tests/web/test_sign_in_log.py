"""What stands in the log of those who come, go and are turned away."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)


def lines(told: list[Any], *events: str) -> list[dict[str, Any]]:
    return [each for each in told if each["event"] in events]


async def test_every_way_in_and_out_leaves_one_line_and_no_password(viewer):
    async def tried(name: str, password: str) -> Browser:
        browser = Browser("203.0.113.9")
        await browser.post("/sign-in", {"username": name, "password": password})
        return browser

    with capture_logs() as told:
        inside = await tried("viewer", "viewer-password")
        await inside.post("/sign-out")
        for _ in range(6):
            await tried("my secret password", "a wrong one")
    assert [(each["event"], each.get("user")) for each in told[:2]] == [
        ("signed in", "viewer"),
        ("signed out", "viewer"),
    ]
    assert len(lines(told, "sign-in failed")) == 5
    assert len(lines(told, "sign-in refused: too many have failed")) == 1
    assert all(each["place"] == "203.0.113.9" for each in told if each["event"] != "signed out")
    assert "secret" not in str(told)
    assert "wrong one" not in str(told)


async def test_what_is_refused_is_a_line(viewer, anonymous, caplog):
    with capture_logs() as told:
        await anonymous.get("/admin/queues", headers={"Host": "evil.example"})
    assert [each["event"] for each in told] == ["strange host refused"]
    assert "evil.example" in told[0]["host"]
    await viewer.get("/admin/queues/audit")
    assert ("Forbidden: /admin/queues/audit", "WARNING") in {
        (each.getMessage(), each.levelname) for each in caplog.records
    }
