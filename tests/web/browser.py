"""Django's asynchronous test client, sending paths as a browser and daphne do: `%2F` stays `%2F`."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from django.test import AsyncClient

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


class Browser(AsyncClient):
    """`await browser.get(path)`, `.post(path, data)`; `htmx=True` asks as htmx does for a part of a page."""

    _sent = b""
    #: As behind a proxy that decodes paths.
    hides_raw_path = False

    def __init__(self, address: str = "127.0.0.1", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.address = address

    def generic(self, method: str, path: Any, *args: Any, htmx: bool = False, **kwargs: Any) -> Any:
        self._sent = urlsplit(str(path)).path.encode("ascii")
        if htmx:
            kwargs["headers"] = HTMX | (kwargs.get("headers") or {})
        return super().generic(method, path, *args, **kwargs)

    def _base_scope(self, **request: Any) -> dict[str, Any]:
        scope = super()._base_scope(**request)
        path = unquote(self._sent.decode("ascii"))
        raw = {} if self.hides_raw_path else {"raw_path": self._sent}
        return {**scope, **raw, "path": path, "client": [self.address, 1]}
