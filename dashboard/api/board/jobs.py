"""One job: how it is, what it logged, and adding another."""

from __future__ import annotations

import asyncio
from typing import Any

from django.utils.translation import gettext as _

from dashboard.api.board import asked
from dashboard.api.board.fresh import changed
from dashboard.api.board.job_options import options_of
from dashboard.api.board.job_shape import app_jobs
from dashboard.api.board.refusals import invalid
from dashboard.api.board.route import Call
from dashboard.api.v1.values import masked_texts
from queues.actions.adding import add_text
from queues.errors import InvalidInput, JobNotFound
from queues.lookups.logs import forwards
from queues.lookups.wholes import Whole, whole_job
from queues.models import Job
from queues.protocol.clock import now_ms
from queues.protocol.codec import to_json

#: Of one log so many characters are sent.
MOST_LOGGED = 16 * 1024 * 1024


async def job(call: Call, queue: str, job_id: str) -> dict[str, Any]:
    """Raises JobNotFound: what only the mirror kept is none of Bull Board's jobs."""
    return await told(call, queue, await whole_job(call.connection, queue, job_id))


async def told(call: Call, queue: str, whole: Whole) -> dict[str, Any]:
    (shown,) = await app_jobs([whole], call.grants.on(queue))
    return {"job": shown, "status": whole.job.state}


async def logs(call: Call, queue: str, job_id: str) -> list[str]:
    """Every line that is kept, masked; none for a job that is not there. Of a very long log its end."""
    await call.queue(queue)
    call.grants.on(queue).require("job.payload")
    lines: list[str] = []
    length = 0
    async for chunk in forwards(call.connection, queue, job_id):
        # Of long lines in a thread: others are served meanwhile.
        lines += await masked_texts(chunk)
        length += sum(map(len, chunk))
        if length > MOST_LOGGED:
            lines.append(_("… the log goes on, and is too long to be sent …"))
            break
        await asyncio.sleep(0)
    return lines


async def add(call: Call, queue: str) -> dict[str, Any]:
    """`data` that is not given is {}, as BullMQ has it. Raises Said, InvalidInput, QueueNotFound."""
    call.grants.on(queue).require("job.add")
    sent = asked.body(call.request, is_needed=True)
    name, options = sent.get("name", ""), sent.get("options", {})
    if not isinstance(name, str) or not isinstance(options, dict):
        raise invalid("INVALID_REQUEST_BODY", field="options" if isinstance(name, str) else "name")
    await call.queue(queue)
    checked = options_of(options, call.connection, call.grants)
    data = json_of(sent.get("data", {}))
    try:
        added = await add_text(*call.at(queue), name, data, checked, may_be_nameless=True)
    except InvalidInput as error:
        raise invalid("INVALID_REQUEST_BODY", str(error)) from None
    await changed(call.connection, queue)
    try:
        return await told(call, queue, await whole_job(call.connection, queue, added.id))
    except JobNotFound:
        # It has run already, and was not kept.
        gone = Job(connection=call.connection, queue=queue, job_id=added.id, name=name, data=data, state="unknown")
        gone.timestamp_ms, gone.opts = now_ms(), to_json(options)
        return await told(call, queue, Whole(gone))


def json_of(value: Any) -> str:
    """As it is stored. Raises Said for a number that is none."""
    try:
        return to_json(value)
    except ValueError as error:
        raise invalid("INVALID_REQUEST_BODY", str(error)) from None
