"""What a search says of itself: how much was found and where it looked; and the language, by examples."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from queues.lookups.search import Page

#: To be tried with a click.
EXAMPLES: tuple[tuple[str, str | Promise], ...] = (
    ("state:failed since:2h", gettext_lazy("jobs that failed within two hours; also before:2026-11-23")),
    ("timeout", gettext_lazy("a word of the name, the error or the data; several words must all be there")),
    ('"connection refused"', gettext_lazy("these words in this order")),
    ("queue:chat,mail name:summarize", gettext_lazy("of one of these queues, by name; sum* is what begins so")),
    ("data.user.id:42", gettext_lazy("a field of the data; data.user.id:* where there is one")),
    ("error:timeout -name:noise", gettext_lazy("in the error text; a minus leaves out")),
    ("attempts:>=3 worker:web-3", gettext_lazy("how often it ran, and who took it")),
    ("is:removed since:7d", gettext_lazy("what Redis has no longer; is:live and is:child too")),
)
#: A field → what its value may be.
FIELDS: dict[str, str | Promise] = {
    "queue": gettext_lazy("chat or chat,mail or ch*"),
    "state": gettext_lazy("failed, waiting, delayed …"),
    "name": gettext_lazy("a job’s name, or words of it"),
    "id": gettext_lazy("a job’s id, order-* for those that begin so"),
    "error": gettext_lazy("words of the error"),
    "attempts": gettext_lazy("3, >=3 or <2"),
    "worker": gettext_lazy("who took it last"),
    "scheduler": gettext_lazy("which scheduler made it"),
    "connection": gettext_lazy("which Redis it is in"),
    "is": gettext_lazy("live, removed or child"),
    "since": gettext_lazy("30m, 2h, 7d or 2026-11-23"),
    "before": gettext_lazy("30m, 2h, 7d or 2026-11-23"),
    "data.…": gettext_lazy("a field of the data: data.user.id:42"),
}
#: What a suggestion is, in the site's language.
KINDS: dict[str, str | Promise] = {
    "field": gettext_lazy("field"),
    "queue": gettext_lazy("queue"),
    "state": gettext_lazy("state"),
    "name": gettext_lazy("name"),
    "worker": gettext_lazy("took it"),
    "scheduler": gettext_lazy("scheduler"),
    "path": gettext_lazy("data"),
}


def sentence(page: Page, exact: int, *, is_first: bool) -> str:
    told = [_count(page, exact) if is_first else "", page.searched]
    return " ".join(part for part in told if part)


def _count(page: Page, exact: int) -> str:
    count = max(page.total or 0, exact)
    if page.total is None:
        return ""
    shown = {"count": f"{count:,}"}
    if page.is_least:
        return ngettext("At least %(count)s job fits.", "At least %(count)s jobs fit.", count) % shown
    return ngettext("%(count)s job fits.", "%(count)s jobs fit.", count) % shown
