"""The words that toril.js writes, in the site's language: they stand on the page as data, for scripts hold no texts."""

from __future__ import annotations

import json
from functools import lru_cache

from django.utils.translation import get_language, gettext


def words() -> str:
    """As JSON, for `data-words` of <html>."""
    return _words(get_language() or "")


@lru_cache(maxsize=8)
def _words(language: str) -> str:
    return json.dumps(
        {
            "units": [gettext("d"), gettext("h"), gettext("min"), gettext("s")],
            "now": gettext("just now"),
            "ago": gettext("%(time)s ago"),
            "in": gettext("in %(time)s"),
            "dark": gettext("Dark"),
            "light": gettext("Light"),
            "copy": gettext("Copy"),
            "copied": gettext("Copied"),
            "selected": gettext("Selected"),
            "pause": gettext("Pause"),
            "go_on": gettext("Go on"),
            "paused": gettext("Refreshing is paused."),
            "live": gettext("The figures are live."),
            "lost": gettext("The connection is lost; it is tried again."),
            "nothing_found": gettext("Nothing found."),
            "found": gettext("%(count)s found."),
            "suggestions": gettext("%(count)s suggestions; the arrow keys choose."),
            "silence": gettext(
                "The server did not answer, so what was asked may or may not have been done. Look again before "
                "repeating it."
            ),
        },
        ensure_ascii=False,
    )
