"""How values are written: JSON that every program reads."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.renderers import JSONRenderer
from ninja.responses import NinjaJSONEncoder


def written(data: Any) -> str:
    """A number that is none would be a fault of ours, and raises ValueError."""
    return json.dumps(data, cls=NinjaJSONEncoder, separators=(",", ":"), allow_nan=False)


class Compact(JSONRenderer):
    """Without spaces; the same text for the same values, so that tags can be told."""

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> str:
        return written(data)
