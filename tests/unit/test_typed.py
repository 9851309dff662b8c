"""A job's data as a dataclass or a pydantic model: what fits, what does not and where, and what is no model."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pydantic
import pytest

from queues.errors import ConfigurationError
from queues.typed import MAX_MISTAKES, plain, reader


class Size(Enum):
    SMALL = "S"
    LARGE = "L"


@dataclass
class Item:
    sku: str
    price: float = 0.0
    size: Size = Size.SMALL


@dataclass(frozen=True, kw_only=True)
class Order:
    number: int
    items: list[Item] = field(default_factory=list)
    at: datetime | None = None
    day: date | None = None
    total: Decimal | None = None
    key: UUID | None = None
    tags: dict[str, str] = field(default_factory=dict)
    kind: Literal["web", "shop"] = "web"
    note: str | int | None = None
    rest: Any = None


@dataclass
class Positive:
    n: int

    def __post_init__(self) -> None:
        if self.n <= 0:
            raise ValueError("n must be above 0")


class Mail(pydantic.BaseModel):
    to: str
    copies: list[Item] = []
    at: datetime | None = None


class Strict(pydantic.BaseModel, strict=True, extra="forbid"):
    at: datetime
    size: Size


@pydantic.dataclasses.dataclass
class Checked:
    n: pydantic.PositiveInt


def read(model: type, data: Any) -> Any:
    return reader("here", model)(data if isinstance(data, bytes) else json.dumps(data).encode())


@pytest.mark.parametrize(
    ("model", "data", "value"),
    [
        (Order, {"number": 1}, Order(number=1)),
        (
            Order,
            {"number": 1, "items": [{"sku": "a", "price": 2, "size": "L"}], "unknown": {"deep": 1}},
            Order(number=1, items=[Item("a", 2.0, Size.LARGE)]),
        ),
        (
            Order,
            {"number": 1, "at": "2026-11-23T06:00:00Z", "day": "2026-11-23", "total": "1.10"},
            Order(number=1, at=datetime(2026, 11, 23, 6, tzinfo=UTC), day=date(2026, 11, 23), total=Decimal("1.10")),
        ),
        (
            Order,
            {"number": 1, "key": "12345678-1234-5678-1234-567812345678", "kind": "shop", "note": 7, "rest": [None]},
            Order(number=1, key=UUID(int=0x12345678123456781234567812345678), kind="shop", note=7, rest=[None]),
        ),
        (Positive, {"n": 10**30}, Positive(10**30)),
        (Mail, {"to": "ana", "more": 1}, Mail(to="ana")),
        (Mail, {"to": "ana", "at": "2026-11-23T06:00:00Z"}, Mail(to="ana", at=datetime(2026, 11, 23, 6, tzinfo=UTC))),
        (Mail, {"to": "ana", "copies": [{"sku": "b"}]}, Mail(to="ana", copies=[Item("b")])),
        (
            Strict,
            {"at": "2026-11-23T06:00:00Z", "size": "S"},
            Strict(at=datetime(2026, 11, 23, 6, tzinfo=UTC), size=Size.SMALL),
        ),
        (Checked, {"n": 1}, Checked(n=1)),
    ],
)
def test_data_that_fits_becomes_the_model(model, data, value):
    assert read(model, data) == value


@pytest.mark.parametrize(
    "order",
    [
        Order(number=1),
        Order(number=1, items=[Item("a", 2.0, Size.LARGE)], tags={"a": "b"}, kind="shop", rest=[{"b": None}]),
        Order(number=1, at=datetime(2026, 11, 23, 6, tzinfo=UTC), day=date(2026, 11, 23), total=Decimal("1.10")),
        Order(number=1, key=UUID(int=5), note="x"),
    ],
)
def test_what_a_producer_writes_of_a_dataclass_a_processor_reads_back(order):
    assert read(Order, plain(order)) == order


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        (Order, {}, ["no Order", "number"]),
        (Order, {"number": "1"}, ["number: Expected int, got str"]),
        (Order, {"number": 1, "items": [{"sku": "a"}, {"price": 1}]}, ["items[1]", "sku"]),
        (Order, {"number": 1, "items": [{"sku": "a", "size": "XL"}]}, ["items[0].size", "XL"]),
        (Order, {"number": 1, "at": "yesterday"}, ["at: Invalid RFC3339"]),
        (Order, {"number": 1, "tags": {"a": 1}}, ["tags[...]", "str"]),
        (Order, {"number": None}, ["number", "null"]),
        (Order, [1], ["no Order", "array"]),
        (Order, b"{", ["not JSON"]),
        (Order, b"", ["not JSON"]),
        (Order, b'{"number": 1, "rest": %s' % (b"[" * 100_000), ["not JSON"]),
        (Order, b'{"number": 1, "note": "\xff"}', ["not JSON"]),
        (Positive, {"n": -1}, ["n must be above 0"]),
        (Mail, {}, ["no Mail", "to: Field required"]),
        (Mail, {"to": 5, "copies": [{"price": "x"}]}, ["to: ", "copies.0.sku: ", "copies.0.price: "]),
        (Mail, b"{", ["not JSON"]),
        (Strict, {"at": "2026-11-23T06:00:00Z", "size": "S", "more": 1}, ["more: Extra inputs are not permitted"]),
        (Checked, {"n": 0}, ["no Checked", "n: Input should be greater than 0"]),
    ],
)
def test_data_that_does_not_fit_is_told_with_its_place(model, data, words):
    with pytest.raises(ValueError) as refused:
        read(model, data)
    for word in words:
        assert word in str(refused.value)


def test_of_many_mistakes_the_first_are_told():
    with pytest.raises(ValueError, match=rf"copies\.{MAX_MISTAKES - 1}\.sku.*; and {20 - MAX_MISTAKES} more"):
        read(Mail, {"to": "ana", "copies": [{} for _ in range(20)]})


class Plain:
    n: int


@dataclass
class TwoShapes:
    which: Item | Positive


@pytest.mark.parametrize("model", [Plain, dict, int, "Order", Order(number=1), TwoShapes])
def test_what_is_no_model_is_refused_at_the_start(model: Any):
    with pytest.raises(ConfigurationError, match=r"^here"):
        reader("here", model)


def test_pydantic_is_not_loaded_for_those_who_do_without():
    program = "import sys, queues.processors; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
