"""What every view of this API is given, and what it takes: the request, the connection, models of what is sent."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from zlib import crc32

from ninja import Header
from pydantic import BaseModel, ConfigDict, Field

from dashboard.pages.shell.frame import known_connection as connection_of
from dashboard.request import Request
from queues.actions.audit import Done as Deed
from queues.states import State

__all__ = ["Ask", "Done", "IdempotencyKey", "Sent", "asker", "connection_of", "told"]

Ask: TypeAlias = Request
#: For the document: `idempotency.once` reads it.
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=257,
        pattern=r"^[ -~]+$",
        description="One word of yours per request: sent again, it gets the same answer and adds nothing.",
    ),
]


class Sent(BaseModel):
    """Of a body: what it does not know it refuses, so that a misspelt option is not silently none."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Done(BaseModel):
    """What an action did, in a sentence; `affected` 0: it was so already."""

    message: str
    affected: int
    state: State | None = Field(default=None, description="Where the job is now, if it is anywhere.")


def asker(request: Ask) -> int:
    """Who asks, for bounds on how much one may have under way: a person by all keys, a service by its own."""
    user_id = request.grants.actor.user_id
    return user_id if user_id is not None else -1 - crc32(request.identity.caller.encode("utf-8", "replace"))


def told(done: Deed) -> Done:
    return Done(message=done.message, affected=done.affected, state=done.state)
