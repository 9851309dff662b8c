"""docs/board-api.md names every route of Bull Board's API, none other, and the bounds that the code keeps."""

from __future__ import annotations

import re
from pathlib import Path

import dashboard.urls  # noqa: F401  # knows what a segment of a path is
from dashboard.api.board import queue_acts, queues
from dashboard.api.board.urls import ROUTES
from queues.actions.altering import MAX_PRIORITY
from queues.lookups import wholes

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "board-api.md").read_text()
METHODS = ("GET", "POST", "PUT", "PATCH")


def documented() -> set[tuple[str, str]]:
    found = set()
    for cell in re.findall(r"^\| (`(?:GET|POST|PUT|PATCH) .*?) \|", PAGE, re.MULTILINE):
        method, before = "", ""
        for told in re.findall(r"`([^`]+)`", cell):
            if told.startswith(METHODS):
                method, _, before = told.partition(" ")
                address = before
            else:
                address = before.rpartition("/")[0] + told
            found.add((method, address))
    return found


def test_every_route_is_documented_and_every_documented_route_is_there() -> None:
    names = {"<segment:queue>": "<queue>", "<segment:job_id>": "<job id>", "<segment:scheduler_id>": "<id>"}
    names |= {"<str:status>": "<status>"}
    there = set()
    for pattern in ROUTES.patterns:
        address = str(pattern.pattern)
        for ours, told in names.items():
            address = address.replace(ours, told)
        there |= {(method, address) for method in ROUTES.methods_of(pattern)}
    assert documented() == there
    # Of Bull Board's 34 rows some stand for several addresses.
    assert len(there) == 38


def test_its_bounds_are_those_of_the_code() -> None:
    page = " ".join(PAGE.split())
    assert f"took longer than {queue_acts.BUDGET_S:g} s" in page
    assert f"(1 to {queues.MOST_PER_PAGE})" in page
    assert f"0 to {MAX_PRIORITY:,}" in page
    assert f"over {wholes.IN_LIST // 1024} KB" in page
    assert f"beyond {wholes.BUDGET // 2**20} MB" in page
    assert f"fields up to {wholes.ALONE // 2**20} MB" in page
