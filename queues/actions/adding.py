"""Adding a job by hand: checked as code's are, and recorded. Data that is typed is stored as it was typed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from queues.actions import undo
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Ending, of_done, record
from queues.actions.looking import look
from queues.errors import InvalidInput, JobNotFound, QueueNotFound, TorilError
from queues.models.local import is_in_process
from queues.producer import NO_DATA, queue
from queues.producer.carrier import carrier
from queues.producer.checks import CHECKS
from queues.producer.making import new_job, queue_defaults
from queues.protocol import reads, selection
from queues.protocol.adding import WIRE_NAMES, NewJob
from queues.protocol.codec import parse_json, raw, text

__all__ = ["NO_DATA", "Added", "add_job", "add_text", "check_job", "copied_options", "copy_elsewhere"]

#: Of a job that is copied: what belongs to that one job, or to the program that added it, stays behind.
_NOT_COPIED = ("job_id", "timestamp_ms", "trace", "omit_trace", "deduplication")
_OURS = {wire: ours for ours, wire in WIRE_NAMES.items() if ours not in _NOT_COPIED}


@dataclass(frozen=True, slots=True)
class Added:
    """`is_new` is False where a job of that id, or one that holds the deduplication id, was there already."""

    id: str
    is_new: bool
    done: Done


def check_job(queue_name: str, name: str, data: Any, options: dict[str, Any]) -> NewJob:
    """The job as it would be added. Raises InvalidInput."""
    handle = queue(queue_name)
    return new_job(name, data, options, queue_defaults(handle.name))


async def add_job(
    actor: Actor, connection: str, queue_name: str, name: str, data: Any, options: dict[str, Any]
) -> tuple[str, Done]:
    """Add a job; its id. The record keeps name and options, not the data.

    Raises InvalidInput before anything is written or recorded, RedisUnavailable within 2 s.
    """
    added = await _add(actor, "job.add", connection, queue_name, check_job(queue_name, name, data, options), options)
    return added.id, added.done


async def add_text(
    actor: Actor,
    connection: str,
    queue_name: str,
    name: str,
    data: str,
    options: dict[str, Any],
    *,
    source: tuple[str, str] | None = None,
    may_be_nameless: bool = False,
) -> Added:
    """The same with the data as JSON text, stored character by character; `source` is the (queue, id) it is a copy of.

    Whether the text is JSON is the caller's to have checked. Raises InvalidInput, RedisUnavailable.
    """
    is_nameless = may_be_nameless and not name
    job = check_job(queue_name, "nameless" if is_nameless else name, NO_DATA, options)._replace(data=data)
    job = job._replace(name="") if is_nameless else job
    if (limit := job.options.get("size_limit")) and len(raw(data)) > limit:
        raise InvalidInput(
            _("The job's data has %(count)s bytes; size_limit allows %(limit)s.")
            % {"count": f"{len(raw(data)):,}", "limit": f"{limit:,}"}
        )
    action = "job.duplicate" if source else "job.add"
    more = {"of": {"queue": source[0], "job_id": source[1]}} if source else {}
    return await _add(actor, action, connection, queue_name, job, options, more)


async def _add(
    actor: Actor,
    action: str,
    connection: str,
    queue_name: str,
    job: NewJob,
    options: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> Added:
    told = {name: f"{value.queue}/{value.id}" if name == "parent" else value for name, value in options.items()}
    parameters = {"name": job.name, "options": told, **(more or {})}
    deed = Deed(actor, action, connection, queue_name, parameters=parameters)

    async def act() -> Added:
        job_id = await carrier().add(connection, queue_name, job)
        # The row names what was added: that is what one looks for.
        deed.parameters["job_id"] = job_id
        stored = await _timestamp(connection, queue_name, job_id)
        if stored is not None and stored != job.timestamp_ms:
            said = f"Nothing was added: queue “{queue_name}” holds job “{job_id}” already, by that id."
            if job.options.get("deduplication"):
                said = f"Nothing was added: job “{job_id}” holds that deduplication id."
            return Added(job_id, False, Done(said, affected=0))
        jobs = [[job_id, str(job.timestamp_ms)]]
        back = await undo.offer(connection, action, queue_name, "", "remove", jobs=jobs)
        return Added(
            job_id,
            True,
            Done(_("Job “%(job)s” was added to queue “%(queue)s”.") % {"job": job_id, "queue": queue_name}, undo=back),
        )

    return await record(deed, act, _ending)


async def _timestamp(connection: str, queue_name: str, job_id: str) -> int | None:
    """When the job of that id was added; None where that cannot be told (it has run and is gone)."""
    with suppress(TorilError, ValueError):
        if not is_in_process():
            return int(await reads.job_field(connection, queue_name, job_id, "timestamp") or b"")
        if (found := await carrier().job(connection, queue_name, job_id)) is not None:
            return found.timestamp_ms
    return None


async def copy_elsewhere(actor: Actor, connection: str, queue_name: str, job_id: str, target: str) -> Done:
    """Add a copy of the job, data as it is stored, to another queue; the job itself stays as it is.

    Raises JobNotFound, QueueNotFound for the target: a retry must not create a queue.
    """
    if target == queue_name:
        raise InvalidInput(_("That is the queue it is in: retry it there."))
    if is_in_process():
        found = await carrier().job(connection, queue_name, job_id)
        if found is None:
            raise JobNotFound(queue_name, job_id)
        name, data, opts = found.name, found.data, found.opts
    else:
        await look(connection, queue_name, job_id)
        if not all(await selection.queues_exist(connection, [target])):
            raise QueueNotFound(target)
        (fields,) = await reads.job_fields(connection, queue_name, [job_id], ["name", "data", "opts"])
        name, data, opts = (text(fields.get(part, b"")) for part in (b"name", b"data", b"opts"))
    options = copied_options(opts)
    added = await add_text(actor, connection, target, name, data or "{}", options, source=(queue_name, job_id))
    said = f"{added.done.message} The original stays where it is, in queue “{queue_name}”."
    return Done(said, undo=added.done.undo)


def copied_options(opts: str) -> dict[str, Any]:
    """A stored job's options under Python's names, as a copy of it should have them; what is odd is left out."""
    stored = parse_json(opts)
    found: dict[str, Any] = {}
    for wire, value in stored.items() if isinstance(stored, dict) else ():
        ours = _OURS.get(wire)
        if ours is not None:
            with suppress(InvalidInput):
                found[ours] = CHECKS[ours](ours, value)
    return {name: value for name, value in found.items() if value not in (None, 0, False)}


def _ending(added: Added) -> Ending:
    return of_done(added.done)
