"""Where samples write down what must be there before anybody is told of it. `dashboard.systems` has the tables."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """What one question to a model took; None where the endpoint did not say. `cost_cents` are hundredths of a unit of
    the currency that the prices are in.
    """

    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_cents: Decimal | None

    @property
    def tokens(self) -> int | None:
        told = [count for count in (self.prompt_tokens, self.completion_tokens) if count is not None]
        return sum(told) if told else None


class Records(Protocol):
    """What a job of these systems keeps in the database while it runs; its end is written by whoever hears signals."""

    async def used(self, job: Any, usage: Usage) -> None:
        """Count it, also of an attempt that fails afterwards: it was paid for."""

    async def answered(self, job: Any, answer: str) -> None:
        """The answer to the message that the job is about, there to be fetched."""

    async def found(self, job: Any, state: dict[str, Any]) -> str | None:
        """How far the research of the job's conversation is; the id under which it is kept, None where it is not."""


class _Nobody:
    async def used(self, job: Any, usage: Usage) -> None:
        return None

    async def answered(self, job: Any, answer: str) -> None:
        return None

    async def found(self, job: Any, state: dict[str, Any]) -> str | None:
        return None


_installed: Records = _Nobody()


def install(given: Records | None) -> None:
    """Let the samples of this process write there; None: nowhere."""
    global _installed
    _installed = given or _Nobody()


def records() -> Records:
    return _installed
