"""One input after the other for one parser: what it raises, how long it computes, how much memory it takes."""

from __future__ import annotations

import random
import resource
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.attacks.parsers import TARGETS
from tests.attacks.seeds import seeds

#: Of the processor's time, not the clock's: what else the machine does is nobody's fault here.
LONGEST_S, MOST_MB = 0.1, 64
_PIECES = [
    b"",
    b"\0",
    b"\xff",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"-",
    b"9",
    b"1e999",
    b"\xed\xa0\x80",
    b"\xfe",
]


@dataclass
class Findings:
    """Of one parser: `faults` by what was raised where, each with the first input; the slowest, and what took most."""

    name: str
    inputs: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    slowest_ms: float = 0.0
    largest_mb: float = 0.0

    def take(self, data: bytes) -> None:
        self.inputs += 1
        before, began = _peak_mb(), time.thread_time()
        try:
            TARGETS[self.name](data)
        except Exception as error:
            self._fault(_place(error), data)
        took, grew = time.thread_time() - began, _peak_mb() - before
        if took > LONGEST_S:
            # Once more: the first may have paid for what it was the first to need.
            took = min(took, self._again(data))
        self.slowest_ms, self.largest_mb = max(self.slowest_ms, took * 1000), max(self.largest_mb, grew)
        if took > LONGEST_S:
            self._fault("took longer than 100 ms", data)
        if grew > MOST_MB:
            self._fault(f"took more than {MOST_MB} MB", data)

    def _again(self, data: bytes) -> float:
        began = time.thread_time()
        try:
            TARGETS[self.name](data)
        except Exception:
            return time.thread_time() - began
        return time.thread_time() - began

    def _fault(self, what: str, data: bytes) -> None:
        self.faults.setdefault(what, repr(data[:300]))

    def told(self) -> dict[str, Any]:
        return {
            "parser": self.name, "inputs": self.inputs, "faults": self.faults,
            "slowest_ms": round(self.slowest_ms, 1), "largest_mb": round(self.largest_mb, 1),
        }  # fmt: skip


def mutated(chance: random.Random, count: int) -> Iterator[bytes]:
    """The seeds, changed blindly: cut, doubled, joined, a byte or a telling piece put in."""
    known = seeds()
    for _ in range(count):
        data = bytearray(chance.choice(known))
        for _ in range(chance.randint(1, 4)):
            at = chance.randint(0, len(data))
            way = chance.randint(0, 4)
            if way == 0:
                data[at:at] = chance.choice(_PIECES)
            elif way == 1:
                del data[at : at + chance.randint(1, 8)]
            elif way == 2 and data:
                data[at % len(data)] = chance.randint(0, 255)
            elif way == 3:
                data[at:at] = chance.choice(known)[: chance.randint(1, 40)]
            else:
                data[at:at] = data[max(0, at - 9) : at] * chance.randint(1, 3)
        yield bytes(data)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/" not in frame.filename]
    frame = ours[-1] if ours else last
    return f"{type(error).__name__} at {frame.filename.rpartition('/')[2]}:{frame.lineno} ({str(error)[:80]})"
