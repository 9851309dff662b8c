"""Rows of stored JSON as markup: a tree by `aria-level`, flat, so that neither depth nor folding needs more of it."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.payload.json_rows import Row

#: Deeper rows are not indented further.
MOST_INDENTED = 24
_MASK = "•••"


def drawn(rows: Iterable[Row], *, has_start: bool) -> SafeString:
    """`has_start`: these are the first rows; the tree's own tab stop is the first of them."""
    return format_html_join("", "{}", ((_row(row, has_start and at == 0),) for at, row in enumerate(rows)))


def _row(row: Row, is_first: bool) -> SafeString:
    key = format_html('<span class="key">{}</span>: ', row.key) if row.key else ""
    indent, comma = "  " * min(row.level - 1, MOST_INDENTED), "," if row.comma else ""
    if row.kind == "close":
        return format_html('<span role="none" data-d="{}">{}{}{}\n</span>', row.level, indent, row.body, comma)
    return format_html(
        '<span role="treeitem" aria-level="{}" tabindex="{}"{}{}>{}{}{}{}\n</span>',
        row.level,
        "0" if is_first else "-1",
        format_html(' data-i="{}"', row.number) if row.number is not None else "",
        format_html(' aria-expanded="{}"', "true") if row.kind == "open" else "",
        indent,
        key,
        _body(row),
        comma,
    )


def _body(row: Row) -> SafeString | str:
    if row.kind == "deep":
        return format_html('<i class="left">{}</i>', _("… nested deeper than is shown here"))
    if row.kind == "word":
        return format_html('<span class="no">{}</span>', row.body)
    if row.kind != "text":
        return row.body
    shown = format_html('<span class="str{}">{}</span>', " masked" if _MASK in row.body else "", row.body)
    return format_html("{}{}", shown, _tail(row)) if row.tail or row.is_part else shown


def _tail(row: Row) -> SafeString:
    more = ngettext("… %(count)s more character", "… %(count)s more characters", len(row.tail))
    left = format_html('<i class="left">{}</i>', _("… and more, in the download")) if row.is_part else ""
    return format_html(
        '<details class="tail"><summary class="left">{}</summary><span class="str">{}</span>{}</details>',
        more % {"count": f"{len(row.tail):,}"},
        row.tail,
        left,
    )
