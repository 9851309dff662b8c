"""Charts as the server draws them: a table with the numbers, and small lines for who has no script.

metrics.js reads the tables and draws the same numbers to be hovered and zoomed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from queues.lookups.history import History, Point

WIDTH, HEIGHT = 600, 90
#: A right-hand scale of its own.
AGE = "age"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its colour is a state's, its dash tells it from others of that colour. `path` is SVG's."""

    label: str
    colour: str
    dash: str = ""
    scale: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a table says and what a chart draws; both empty for a gap."""

    text: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    at_ms: int
    cells: Sequence[Cell]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """`unit`: n (a number) or ms. Rows newest first; `summary` says in a sentence what the lines show."""

    id: str
    title: str
    unit: str
    lines: Sequence[Line]
    rows: Sequence[Row]
    summary: str = ""
    #: What the rows' notes are; empty where there are none.
    noted: str = ""

    @property
    def is_empty(self) -> bool:
        return all(cell.value is None for row in self.rows for cell in row.cells)


Values = Callable[[Point], Sequence[float | None]]


def charts(found: History, has_times: bool, has_backlog: bool = True) -> list[Chart]:
    drawn = [_throughput(found)]
    if has_times:
        drawn.append(_times(found, "run", _("How long jobs run"), "active", Point.run_ms))
        drawn.append(_times(found, "wait", _("How long jobs wait"), "waiting", Point.wait_ms))
    return [*drawn, _backlog(found)] if has_backlog else drawn


def _throughput(found: History) -> Chart:
    lines = [
        Line(_("Completed"), "completed"),
        Line(_("Failed"), "failed", "4 3"),
        Line(_("Retried"), "delayed", "1 3"),
    ]

    def values(point: Point) -> list[float | None]:
        ended = point.ended
        return [point.per_minute(ended.completed), point.per_minute(ended.failed), point.retried_per_minute()]

    minutes = found.range.step_s // 60

    def note(point: Point) -> str:
        return _coverage(point, minutes)

    return _chart("throughput", _("Jobs per minute"), "n", found, lines, values, _("Recorded"), note)


def _coverage(point: Point, minutes: int) -> str:
    if not point.recorded:
        return _("not recorded")
    return f"{min(point.recorded, minutes)} / {minutes} {_('min')}"


def _times(found: History, id_: str, title: str, colour: str, values: Values) -> Chart:
    lines = [Line("p50", colour), Line("p95", colour, "6 4"), Line("p99", colour, "1 3")]

    def note(point: Point) -> str:
        return f"{sum(getattr(point.ended, id_).values()):,}"

    return _chart(id_, title, "ms", found, lines, values, _("Measured"), note)


def _backlog(found: History) -> Chart:
    lines = [
        Line(_("Waiting"), "waiting"),
        Line(_("Delayed"), "delayed", "6 4"),
        Line(_("Oldest has waited"), "unknown", "1 3", AGE),
    ]
    return _chart("backlog", _("Backlog"), "n", found, lines, lambda p: [p.waiting, p.delayed, p.oldest_ms])


def _chart(
    id_: str,
    title: str,
    unit: str,
    found: History,
    lines: Sequence[Line],
    values: Values,
    noted: str = "",
    note: Callable[[Point], str] = lambda point: "",
) -> Chart:
    rows = [(point, values(point)) for point in found.points]
    drawn = []
    for at, line in enumerate(lines):
        alike = [i for i, other in enumerate(lines) if other.scale == line.scale]
        top = max((told[i] or 0 for _, told in rows for i in alike), default=0)
        path = path_of([told[at] for _, told in rows], top)
        drawn.append(Line(line.label, line.colour, line.dash, line.scale, path))
    told_rows = [
        Row(
            point.at * 1000,
            [
                Cell(text_of(value, unit if line.scale != AGE else "ms"), _short(value))
                for value, line in zip(told, lines, strict=True)
            ],
            note(point),
        )
        for point, told in reversed(rows)
    ]
    return Chart(id_, title, unit, drawn, told_rows, _summary(drawn, rows, unit), noted)


def _summary(lines: Sequence[Line], rows: Sequence[tuple[Point, Sequence[float | None]]], unit: str) -> str:
    said = []
    for at, line in enumerate(lines):
        known = [value for _point, values in rows if (value := values[at]) is not None]
        if known:
            words = {"line": line.label, "top": text_of(max(known), unit if line.scale != AGE else "ms")}
            said.append(_("%(line)s at most %(top)s") % words)
    return ", ".join(said)


def path_of(values: Sequence[float | None], top: float, width: float = WIDTH, height: float = HEIGHT) -> str:
    """An SVG path, oldest first, broken where there is a gap; a value alone between gaps is a dot."""
    step, scale = width / max(len(values) - 1, 1), (height - 4) / top if top else 0
    parts, is_down = [], False
    for at, value in enumerate(values):
        if value is not None:
            parts.append(f"{'L' if is_down else 'M'}{at * step:.1f} {height - 2 - value * scale:.1f}")
            if not is_down and (at + 1 == len(values) or values[at + 1] is None):
                parts.append("h.1")
        is_down = value is not None
    return "".join(parts)


def text_of(value: float | None, unit: str) -> str:
    """`12,431`, `3.4`, `0.02`; of milliseconds `8.4 ms`, `412 ms`, `3.20 s`, `4.1 min`."""
    if value is None:
        return ""
    if unit != "ms":
        return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    for most, size, name in ((1000, 1, _("ms")), (60_000, 1000, _("s")), (3_600_000, 60_000, _("min"))):
        if value < most:
            return f"{_three(value / size)} {name}"
    return f"{_three(value / 3_600_000)} {_('h')}"


def _three(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
