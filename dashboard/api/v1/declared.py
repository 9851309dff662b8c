"""Which problems operations may lead to, and when: said once, for the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.api.v1.problems import MEDIA_TYPE

#: Status → when. Of every operation, and of those that change something.
PROBLEMS: Mapping[int, str] = {
    400: "What was sent cannot be used; `errors` names each place.",
    401: "No credential, or one that does not hold.",
    403: "The credential may not do this, or nobody may now (read-only).",
    404: "There is no such thing, or the credential does not see it.",
    429: "Too many requests; `Retry-After` says when the next is taken.",
    502: "Redis refused.",
    503: "Redis or the database does not answer.",
}
OF_WRITES: Mapping[int, str] = {409: "It is not in a state that allows this; nothing was changed."}
OF_BODIES: Mapping[int, str] = {
    413: "The body is larger than a request may be.",
    415: "The body is not `application/json`.",
}
#: Beside those, where an operation says so: `openapi_extra=may(412)`.
OTHERS: Mapping[int, str] = {
    412: "It is no longer as `If-Match` says; nothing was changed.",
    422: "This Idempotency-Key came with another request before.",
    504: "Whoever was asked did not answer in time.",
}


def may(*statuses: int) -> dict[str, Any]:
    """For an operation's `openapi_extra`: problems it may lead to that not every operation may."""
    return {"responses": {status: problem(OTHERS[status]) for status in statuses}}


def problem(when: str) -> dict[str, Any]:
    return {
        "description": when,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
