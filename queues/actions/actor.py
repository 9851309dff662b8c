"""Who acts: a person or a program, by the name that the audit keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    user_id: int | None
    name: str
    #: The API key by which they act, if any: what was begun with it stops with it.
    key_id: int | None = None
