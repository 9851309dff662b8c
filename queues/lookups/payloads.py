"""One stored field of a job, however large: a slice of it for a page, all of it for a download.

Redis hands over a field whole or not at all; what is read here is held for one answer and by one reader at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from django.utils.translation import gettext as _

from queues.errors import RedisRefused, RedisUnavailable
from queues.lookups import local, mirrored
from queues.models.local import is_in_process
from queues.protocol import reads
from queues.protocol.reads.jobs import large_field

#: How long a large field may be under way.
READ_S = 30.0

_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def job_payload(
    connection: str, queue: str, job_id: str, field: str, added_ms: int | None = None
) -> bytes | None:
    """One whole payload field (BullMQ's name), exactly as it is stored; from the mirror where Redis has it no more.

    `added_ms`: of the job that was added then, as `lookups.jobs.job_detail` has it.
    """
    if field not in reads.PAYLOAD_FIELDS:
        return None
    if is_in_process():
        return await local.payload(queue, job_id, field)
    if added_ms is not None and (past := await mirrored.past_incarnation(connection, queue, job_id, added_ms)):
        return mirrored.payload(past, field)
    try:
        async with _reading():
            value = await large_field(connection, queue, job_id, field)
    except RedisRefused:
        value = None
    except TimeoutError:
        raise RedisUnavailable(
            _("Redis did not hand over %(field)s within %(read_s)s s.") % {"field": field, "read_s": f"{READ_S:g}"}
        ) from None
    if value is None:
        kept = await mirrored.last_incarnation(connection, queue, job_id)
        value = mirrored.payload(kept, field) if kept else None
    return value


@asynccontextmanager
async def _reading() -> AsyncIterator[None]:
    """One at a time: two people who open 50 MB must not need 100."""
    gate = _gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(1))
    async with asyncio.timeout(READ_S), gate:
        yield
