"""How far back failures are counted, and in which columns they are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from queues.models.failure import HOUR_S, MINUTE_S, TEN_MINUTES_S

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Window:
    """`step_s` is which counts are read, `column_s` how many seconds a column is wide."""

    name: str
    span_s: int
    step_s: int
    column_s: int

    @property
    def columns(self) -> int:
        return self.span_s // self.column_s

    def start_s(self, now_s: float) -> int:
        """Of the first column; the last is the one under way."""
        return (int(now_s) // self.column_s + 1) * self.column_s - self.span_s


WINDOWS: Mapping[str, Window] = {
    window.name: window
    for window in (
        Window("1h", HOUR_S, MINUTE_S, MINUTE_S),
        Window("6h", 6 * HOUR_S, TEN_MINUTES_S, TEN_MINUTES_S),
        Window("24h", DAY_S, TEN_MINUTES_S, 3 * TEN_MINUTES_S),
        Window("7d", 7 * DAY_S, HOUR_S, 3 * HOUR_S),
        Window("30d", 30 * DAY_S, HOUR_S, 12 * HOUR_S),
    )
}
