"""A job's options as BullMQ's programs write them, under the names of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from dashboard.api.board.refusals import invalid
from dashboard.grants import Grants
from queues.protocol.connections import prefix

NAMES = {
    "attempts": "attempts",
    "backoff": "backoff",
    "deduplication": "deduplication",
    "delay": "delay_ms",
    "jobId": "job_id",
    "keepLogs": "keep_logs",
    "lifo": "lifo",
    "priority": "priority",
    "removeOnComplete": "remove_on_complete",
    "removeOnFail": "remove_on_fail",
    "sizeLimit": "size_limit",
    "stackTraceLimit": "stack_trace_limit",
    "timestamp": "timestamp_ms",
}
ON_FAILURE = {
    "failParentOnFailure": "fail_parent",
    "continueParentOnFailure": "continue_parent",
    "ignoreDependencyOnFailure": "ignore_dependency",
    "removeDependencyOnFailure": "remove_dependency",
}
_DEDUPLICATION = {"ttl": "ttl_ms", "keepLastIfActive": "keep_last_if_active"}
#: They stand in the options of jobs that a scheduler or a traced program added, and mean those jobs alone.
OF_ONE_JOB = frozenset({"prevMillis", "repeat", "repeatJobKey", "telemetry"})


@dataclass(frozen=True, slots=True)
class _Parent:
    """A job's address, as the producer takes it."""

    connection: str
    queue: str
    id: str


def options_of(sent: Mapping[str, Any], connection: str, grants: Grants) -> dict[str, Any]:
    """What they hold is checked where the job is made. Raises Said for one that BullMQ does not know, and QueueNotFound
    or Forbidden for a parent in a queue that the caller may not add to.
    """
    found: dict[str, Any] = {}
    for name, value in sent.items():
        if name in NAMES:
            found[NAMES[name]] = _deduplication(value) if name == "deduplication" else value
        elif name in ON_FAILURE:
            found |= {"on_failure": ON_FAILURE[name]} if value else {}
        elif name == "parent" and value is not None:
            found["parent"] = _parent(value, connection, grants)
        elif name not in OF_ONE_JOB and name != "parent":
            raise invalid("INVALID_REQUEST_BODY", _unknown(name), field=f"options.{name[:80]}")
    return found


def _unknown(name: str) -> str:
    return _("There is no option “%(name)s” of a job.") % {"name": name[:80]}


def _deduplication(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {_DEDUPLICATION.get(name, name): part for name, part in value.items()}


def _parent(value: Any, connection: str, grants: Grants) -> _Parent:
    told = value if isinstance(value, dict) else {}
    queue, job_id, under = told.get("queue"), told.get("id"), f"{prefix(connection)}:"
    if not (isinstance(queue, str) and queue.startswith(under) and isinstance(job_id, str) and job_id):
        raise invalid("INVALID_REQUEST_BODY", _("A parent is {id, queue}."), field="options.parent")
    name = queue.removeprefix(under)
    grants.require_sight(name)
    grants.on(name).require("job.add")
    return _Parent(connection, name, job_id)
