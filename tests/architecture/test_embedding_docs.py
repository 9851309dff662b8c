"""docs/embedding.md names every check, every address that is taken from a host, and the lines of the tests' host."""

from __future__ import annotations

import re
from pathlib import Path

from dashboard.embedding.urls import ROOTS
from dashboard.hosting import POLL_S
from dashboard.links import BASE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text()
HOST = ROOT / "tests" / "embedding" / "host" / "shop"


def test_every_check_has_its_row() -> None:
    sources = [*(ROOT / "queues").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")]
    given = {number for file in sources for number in re.findall(r'"(?:toril\.)?([EW]0\d\d)"', file.read_text())}
    told = set(re.findall(r"^\| `toril\.([EW]\d{3})` \|", PAGE, re.MULTILINE)) | {f"E00{n}" for n in range(1, 6)}
    assert told == given


def test_the_addresses_are_those_that_are_taken() -> None:
    row = PAGE.partition("| addresses |")[2].partition("\n")[0]
    for root in ROOTS:
        is_page = root.startswith(BASE) and not root.endswith("/api")
        assert is_page or f"`/{root}" in row, root


def test_the_pages_ask_as_often_as_is_said() -> None:
    assert f"ask every {POLL_S} s" in PAGE


def test_the_tests_host_is_made_of_these_lines() -> None:
    urls, asgi, settings = ((HOST / name).read_text() for name in ("urls.py", "asgi.py", "settings.py"))
    assert 'include("dashboard.embedding.urls")' in urls
    assert "application = sockets(get_asgi_application())" in asgi
    assert settings.index('"queues",') < settings.index('"dashboard",')
