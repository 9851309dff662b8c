"""docs/pages.md shows every page and every picture that is taken."""

from __future__ import annotations

import re
from pathlib import Path

from django.urls import URLPattern

from dashboard.urls import urlpatterns
from tests.pictures import PICTURES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "pages.md").read_text()
#: Ways to a page, and what pages load: no pages of their own.
NO_PAGES = {"admin/queues/", "admin/queues/queue", "admin/queues/theme.css", "admin/queues/live"}


def test_every_page_has_its_place() -> None:
    routes = {str(one.pattern) for one in urlpatterns if isinstance(one, URLPattern)}
    pages = {route for route in routes if route.startswith("admin/queues")} - NO_PAGES
    names = {
        "<segment:queue>": "<name>",
        "<segment:job_id>": "<id>",
        "<int:group>": "<group>",
        "<int:number>": "<number>",
        "<int:delivery>": "<delivery>",
    }
    told = set(re.findall(r"`/(admin/queues[^`]*)`", TEXT))
    assert {re.sub(r"<(segment|int):\w+>", lambda found: names[found[0]], page) for page in pages} == told


def test_the_pictures_are_those_that_are_taken() -> None:
    assert set(re.findall(r"\(images/([\w-]+)\.png\)", TEXT)) == {picture.name for picture in PICTURES}
