"""Bull Board's way to say what went wrong: a key that its client translates, and our sentence beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queues.errors import TorilError

if TYPE_CHECKING:
    from django.http import HttpRequest

    from dashboard.api.refusals import Refusal

#: Our code → Bull Board's key, where it has one.
KEYS = {
    "forbidden": "FORBIDDEN",
    "invalid_input": "INVALID_REQUEST_BODY",
    "job_locked": "JOB_IS_ACTIVE",
    "job_not_found": "JOB_NOT_FOUND",
    "queue_not_found": "QUEUE_NOT_FOUND",
    "read_only": "QUEUE_READ_ONLY",
    "redis_unavailable": "REDIS_UNAVAILABLE",
    "running": "JOB_IS_ACTIVE",
    "scheduler_not_found": "JOB_SCHEDULER_NOT_FOUND",
    "too_large": "INVALID_REQUEST_BODY",
    "unsupported_media_type": "INVALID_REQUEST_BODY",
}
#: Status → key, for codes that Bull Board has no word for.
BY_STATUS = {401: "FORBIDDEN", 403: "FORBIDDEN"}


class Said(TorilError):
    """An error in Bull Board's own words: `key` with its options, and what else its object holds."""

    code = "refused"

    def __init__(self, status: int, key: str, sentence: str = "", /, **more: Any) -> None:
        super().__init__(sentence or key)
        self.status, self.key, self.sentence = status, key, sentence
        self.options: dict[str, Any] | None = more.pop("options", None)
        self.more: dict[str, Any] = more

    @property
    def body(self) -> dict[str, Any]:
        told = {"error": _error(self.key, self.options)}
        return told | ({"message": self.sentence} if self.sentence else {}) | self.more


def invalid(key: str, sentence: str = "", **options: Any) -> Said:
    """A request that cannot be used."""
    return Said(400, key, sentence, options=options or None, code="INVALID_REQUEST")


def speak(request: HttpRequest, refusal: Refusal) -> tuple[Any, str]:
    """The body for whatever was refused below this API, and its type."""
    if isinstance(refusal.error, Said):
        return refusal.error.body, "application/json"
    return _body(refusal.status, refusal.code, refusal.message), "application/json"


def _body(status: int, code: str, sentence: str) -> dict[str, Any]:
    key = KEYS.get(code) or BY_STATUS.get(status) or ("INTERNAL_SERVER_ERROR" if status >= 500 else code.upper())
    told = {"error": _error(key, None), "message": sentence}
    return told | ({"code": "INVALID_REQUEST"} if status == 400 else {"code": code})


def _error(key: str, options: dict[str, Any] | None) -> dict[str, Any]:
    return {"key": f"ERRORS.{key}"} | ({"options": options} if options else {})
