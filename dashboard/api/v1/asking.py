"""What every view of this API is given, and what it takes: the request, the connection, models of what is sent."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

from dashboard.pages.frame import known_connection as connection_of
from dashboard.request import Request

__all__ = ["Ask", "Sent", "connection_of"]

Ask: TypeAlias = Request


class Sent(BaseModel):
    """Of a body: what it does not know it refuses, so that a misspelt option is not silently none."""

    model_config = ConfigDict(extra="forbid", str_max_length=1_000_000)
