"""The settings' own colours and widths as a style sheet: the policy allows no style on the page itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from django.core.checks import CheckMessage, Warning, register
from django.http import HttpRequest, HttpResponse

from dashboard import hosting
from queues.errors import ConfigurationError
from queues.options import Dashboard, get_options
from queues.options.reading_dashboard import contrast

PATH = "/admin/queues/theme.css"
_TOKEN = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
STATES = ("waiting", "active", "prioritized", "delayed", "failed", "completed", "waiting-children")
SURFACES = ("paper", "sheet", "sunk")
SOFT = ("waiting-soft", "active-soft", "failed-soft", "completed-soft")
#: What is read, and on what it stands; tests/web/test_look.py measures the same of the tokens as they come.
PAIRS = (
    *((text, on) for text in ("ink", "ink-2", "ink-3", *STATES) for on in SURFACES),
    *((text, on) for on in SOFT for text in ("ink", "ink-2", on.removesuffix("-soft"))),
)
LEAST = 4.5
DEFAULT_WIDTH = Dashboard().menu_width


@lru_cache(maxsize=1)
def tokens() -> dict[str, tuple[str, str]]:
    """Token → its colours in light and dark, as tokens.css has them."""
    sheet = (hosting.STATIC / "css/tokens.css").read_text()
    return {name: (light, dark) for name, light, dark in _TOKEN.findall(sheet)}


@lru_cache(maxsize=4)
def style_sheet(theme: str, menu_width: int, colour: str, ink: str) -> str:
    """`theme` is the tokens' declarations."""
    badge = f"--env: {colour}; --env-ink: {ink};" if colour else ""
    width = f"--menu: {menu_width}px;" if menu_width != DEFAULT_WIDTH else ""
    held = " ".join(part for part in (width, badge, theme) if part)
    return f":root {{ {held} }}\n" if held else ""


def own_style() -> str:
    """What the settings change of the style; empty for nothing."""
    site = get_options().dashboard
    place = site.environment
    return style_sheet(_declared(site), site.menu_width, place.colour if place else "", place.ink if place else "")


def own_style_mark() -> str:
    """Another for another content, empty where there is none: the address may then be cached for good."""
    return sha256(style.encode()).hexdigest()[:12] if (style := own_style()) else ""


def _declared(site: Dashboard) -> str:
    light, dark = site.theme.get("light", {}), site.theme.get("dark", {})
    return " ".join(
        f"--{name}: light-dark({light.get(name, as_it_is[0])}, {dark.get(name, as_it_is[1])});"
        for name, as_it_is in tokens().items()
        if name in light or name in dark
    )


async def theme_css(request: HttpRequest) -> HttpResponse:
    """For anyone, the sign-in page too: colours are no secret."""
    return HttpResponse(
        own_style(), content_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def faint(site: Dashboard) -> Iterator[str]:
    """Each pair of colours that the settings make hard to read, with its contrast."""
    for at, theme in enumerate(("light", "dark")):
        own = site.theme.get(theme, {})
        colours = {name: own.get(name, pair[at]) for name, pair in tokens().items()}
        for text, on in PAIRS if own else ():
            if (text in own or on in own) and (measured := contrast(colours[text], colours[on])) < LEAST:
                yield (
                    f"TORIL['DASHBOARD']['theme'][{theme!r}]: “{text}” on “{on}” has a contrast of {measured:.1f} : 1; "
                    f"what is read needs {LEAST} : 1."
                )


@register
def check_contrast(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.W002: colours of the settings that are hard to read."""
    try:
        return [Warning(sentence, id="toril.W002") for sentence in faint(get_options().dashboard)]
    except ConfigurationError:
        # Another check says what is wrong with the settings.
        return []
