"""The numbers of charts: {% load charting %}. Drawn here, for a template takes a tenth of a second for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import template
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.pages.metrics.charts import Cell, Chart
from dashboard.tags.figures import when

register = template.Library()
TIMES = "chart_times"


@register.simple_tag(takes_context=True)
def chart_rows(context: Context, chart: Chart) -> SafeString:
    """{% chart_rows chart %}: the rows of its table, newest first."""
    # All charts of a page have the same moments.
    times = cast("dict[int, str]", cast("Any", context.render_context).dicts[0].setdefault(TIMES, {}))
    for row in chart.rows:
        if row.at_ms not in times:
            times[row.at_ms] = when(context, row.at_ms, "clock")
    rows = ((row.at_ms, times[row.at_ms], _cells(row.cells), _note(chart, row.note)) for row in chart.rows)
    return format_html_join("\n", '<tr data-at="{}"><td>{}</td>{}{}</tr>', rows)


def _cells(cells: Sequence[Cell]) -> SafeString:
    return format_html_join("", '<td class="num" data-v="{}">{}</td>', map(_cell, cells))


def _cell(cell: Cell) -> tuple[object, str]:
    return ("", format_html('<span class="zero">{}</span>', "–")) if cell.value is None else (cell.value, cell.text)


def _note(chart: Chart, note: str) -> str:
    return format_html('<td class="num quiet">{}</td>', note) if chart.noted else ""
