"""Toril as a guest in another Django project (docs/embedding.md): `urls` to include, `sockets` for its `asgi.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["sockets"]


def sockets(application: App) -> App:
    """The host's ASGI application with the sockets of pages and programs beside it; everything else stays its own.

    Call it after `get_asgi_application()`, which loads Django's apps.
    """
    from dashboard.embedding.serving import Serving

    return Serving(application)
