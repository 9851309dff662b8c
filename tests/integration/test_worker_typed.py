"""Processors that declare what their data is: it arrives so, or the job fails for good before they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pydantic
import pytest

from queues import Job, PlainJob, queue
from queues.processors import Registry
from tests.working import working


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class Order:
    lines: list[Line] = field(default_factory=list)
    due: date | None = None


class Mail(pydantic.BaseModel):
    to: str
    copies: list[str] = []


@pytest.fixture
def seen() -> list[object]:
    return []


@pytest.fixture
def registry(seen) -> Registry:
    registry = Registry()

    @registry.processor("chat", name="order", data=Order)
    async def pack(job: Job[Order]) -> int:
        seen.append(job.data)
        return sum(line.count for line in job.data.lines)

    @registry.processor("chat", name="mail", data=Mail)
    def send(job: PlainJob[Mail]) -> str:
        seen.append(job.data)
        return job.data.to

    return registry


async def test_data_arrives_as_the_model(connection, sight, registry, seen):
    async with working(registry=registry):
        order = await queue("chat").add(
            "order", {"lines": [{"sku": "a", "count": 2}, {"sku": "b"}], "due": "2026-12-24"}
        )
        mail = await queue("chat").add("mail", {"to": "ana", "since": "later versions"})
        await sight.until("completed", order.id, mail.id)
    assert seen == [Order([Line("a", 2), Line("b")], date(2026, 12, 24)), Mail(to="ana")]
    assert [sight.job(one.id)["returnvalue"] for one in (order, mail)] == ["3", '"ana"']


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("order", {"lines": [{"sku": "a", "count": "2"}]}, "no Order: lines[0].count: Expected int, got str"),
        ("order", {"due": "tomorrow"}, "no Order: due: "),
        ("order", "just text", "no Order: Expected object, got str"),
        ("mail", {"copies": ["a", 5]}, "no Mail: to: Field required; copies.1: Input should be a valid string"),
    ],
)
async def test_data_that_does_not_fit_fails_the_job_for_good_naming_the_field(
    connection, sight, registry, seen, name, data, reason
):
    async with working(registry=registry):
        added = await queue("chat").add(name, data, attempts=3)
        await sight.until("failed", added.id)
    job = sight.job(added.id)
    assert f"The job's data is {reason}" in job["failedReason"]
    assert job["atm"] == "1"
    assert seen == []
    sight.assert_all_over()
