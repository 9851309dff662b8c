"""The socket opens for pages of this very site at its one address, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.socket_door import SocketDoor
from queues.options import reset_options

HOST = "toril.example:8000"
OURS = "http://toril.example:8000"


@pytest.fixture(autouse=True)
def _hosts(settings) -> None:
    settings.ALLOWED_HOSTS = ["toril.example", "[::1]"]


async def knock(
    *headers: tuple[str, str], path: str = "/admin/queues/live", root_path: str = "", query: str = ""
) -> bool:
    """Whether what is behind the door was reached."""
    reached, sent = [], []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "root_path": root_path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin1")) for name, value in headers],
    }
    await SocketDoor(inner, inner)(scope, None, send)
    assert bool(reached) != bool(sent)
    assert sent in ([], [{"type": "websocket.close"}])
    return bool(reached)


async def test_a_page_of_this_site_is_let_in():
    assert await knock(("host", HOST), ("origin", OURS))
    assert await knock(("host", "toril.example"), ("origin", "http://toril.example:80"))
    assert await knock(("host", "TORIL.example"), ("origin", "http://toril.EXAMPLE"))
    assert await knock(("host", "[::1]:8000"), ("origin", "http://[::1]:8000"))


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://toril.example",
        "http://toril.example:8001",
        "https://toril.example:8000/",
        "http://toril.example:8000.evil.example",
        "http://sub.toril.example:8000",
        "http://toril.example:8000@evil.example",
        "http://evil.example#toril.example:8000",
        "http://evil.example/toril.example:8000",
        "http://toril.example.:8000",
        "file://",
        "ws://toril.example:8000",
        "toril.example:8000",
        "http://toril.example:8000 http://evil.example",
        "http://toril.example:x",
        "http://toril.example:8000\\evil",
        "chrome-extension://toril.example:8000",
        "http://",
    ],
)
async def test_every_other_page_is_refused(origin):
    assert not await knock(("host", HOST), ("origin", origin))


async def test_a_client_that_names_no_page_is_refused():
    assert not await knock(("host", HOST))
    assert not await knock()
    assert not await knock(("origin", OURS))


async def test_what_is_said_twice_is_not_believed():
    assert not await knock(("host", HOST), ("origin", OURS), ("origin", "http://evil.example"))
    assert not await knock(("host", HOST), ("host", "evil.example"), ("origin", "http://evil.example"))
    assert not await knock(("host", HOST), ("host", HOST), ("origin", OURS))


async def test_a_host_that_is_not_ours_is_refused_even_by_itself():
    assert not await knock(("host", "evil.example"), ("origin", "http://evil.example"))


async def test_a_project_that_was_just_begun_names_no_host_and_is_reached_at_its_own_machine(settings):
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    assert await knock(("host", "127.0.0.1:8000"), ("origin", "http://127.0.0.1:8000"))
    assert await knock(("host", "localhost:8000"), ("origin", "http://localhost:8000"))
    assert not await knock(("host", HOST), ("origin", OURS))
    settings.DEBUG = False
    assert not await knock(("host", "127.0.0.1:8000"), ("origin", "http://127.0.0.1:8000"))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/admin/queues/live/",
        "/admin/queues/live/x",
        "/admin/queues",
        "/toril/admin/queues/live",
        "/livez",
        "/ADMIN/queues/live",
    ],
)
async def test_there_is_one_address(path):
    assert not await knock(("host", HOST), ("origin", OURS), path=path)


async def test_behind_a_proxy_that_speaks_https_only_its_pages_are_ours(settings):
    settings.HTTPS = True
    assert await knock(("host", "toril.example"), ("origin", "https://toril.example"))
    assert not await knock(("host", "toril.example"), ("origin", "http://toril.example"))


async def test_another_name_of_the_site_is_let_in_where_it_is_configured(settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://queues.example"]
    assert await knock(("host", HOST), ("origin", "https://queues.example"))
    assert not await knock(("host", HOST), ("origin", "https://queues.example.evil"))


async def test_below_another_sites_root_the_address_begins_with_it(settings):
    assert await knock(("host", HOST), ("origin", OURS), path="/toril/admin/queues/live", root_path="/toril")
    settings.FORCE_SCRIPT_NAME = "/toril"
    assert await knock(("host", HOST), ("origin", OURS), path="/toril/admin/queues/live")


# --- programs

WS = "/api/ws"
APP = "https://app.example"
EVIL = "https://evil.example"
STRANGE = ("null", "", "*", EVIL, f"{APP}.evil.example", "http://app.example", f"{APP}:444")
BEARER, KEY = ("authorization", "Bearer x"), ("x-api-key", "x")


@pytest.fixture
def _app_is_known(settings) -> Iterator[None]:
    settings.TORIL = {**getattr(settings, "TORIL", {}), "LIVE": {"ORIGINS": [APP]}}
    reset_options()
    yield
    reset_options()


@pytest.mark.usefixtures("_app_is_known")
async def test_a_program_is_let_in_by_what_it_shows_and_a_page_by_where_it_is_from():
    host = ("host", HOST)
    for shown in ({"query": "token=x"}, {"by": BEARER}, {"by": KEY}):
        headers, query = [shown["by"]] if "by" in shown else [], shown.get("query", "")
        assert await knock(host, *headers, path=WS, query=query)
        assert await knock(host, *headers, ("origin", OURS), path=WS, query=query)
        assert await knock(host, *headers, ("origin", APP), path=WS, query=query)
        assert not await knock(("host", "evil.example"), *headers, path=WS, query=query)
        for origin in (
            "null",
            "",
            "https://evil.example",
            f"{APP}.evil.example",
            "http://app.example",
            f"{APP}:444",
            "*",
        ):
            assert not await knock(host, *headers, ("origin", origin), path=WS, query=query), origin
        assert not await knock(
            host, *headers, ("origin", APP), ("origin", "https://evil.example"), path=WS, query=query
        )
    # With nothing but a cookie, pages of this very site alone.
    assert await knock(host, ("origin", OURS), path=WS)
    for headers in ([], [("origin", APP)], [("origin", "null")], [("authorization", "")]):
        assert not await knock(host, *headers, path=WS, query="token=")
    # What is shown opens the dashboard's own socket to nobody.
    assert not await knock(host, BEARER, query="token=x")
    assert not await knock(host, BEARER, path="/api/ws/")
