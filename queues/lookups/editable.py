"""What of a job somebody may be about to change or copy, read whole, with the mark by which it is known again."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from queues.errors import InvalidInput, JobNotFound
from queues.models.local import is_in_process, jobs
from queues.protocol import moving, reads, undoing
from queues.protocol.codec import raw, text
from queues.states import State

#: Larger data is not edited in a page.
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Editable:
    """`data` and `opts` as they are stored; `seal` is data's (`moving.seal`). `size` over MOST_BYTES: data is empty."""

    queue: str
    job_id: str
    name: str
    data: str
    seal: str
    opts: str
    size: int
    state: State
    priority: int = 0
    due_ms: int | None = None

    @property
    def mark(self) -> str:
        """The seal as a page may carry it: keyed, or a short secret could be guessed by it."""
        return salted_hmac("toril.seal", self.seal, algorithm="sha256").hexdigest()[:32]

    @property
    def is_too_large(self) -> bool:
        return self.size > MOST_BYTES


async def editable(connection: str, queue: str, job_id: str) -> Editable:
    """Raises JobNotFound."""
    if is_in_process():
        return await _local(queue, job_id)
    (state,) = await reads.job_states(connection, queue, [job_id])
    size = await undoing.field_size(connection, queue, job_id, "data")
    names = ["timestamp", "name", "opts", "priority", *(["data"] if size <= MOST_BYTES else [])]
    (found,) = await reads.job_fields(connection, queue, [job_id], names)
    if b"timestamp" not in found:
        raise JobNotFound(queue, job_id)
    data, priority = found.get(b"data"), found.get(b"priority", b"0")
    due_ms = await undoing.due_ms(connection, queue, job_id) if state is State.DELAYED else None
    return Editable(
        queue,
        job_id,
        text(found.get(b"name", b"")),
        text(data or b""),
        moving.seal(data),
        text(found.get(b"opts", b"{}")),
        size,
        state,
        int(priority) if priority.isdigit() and len(priority) < 10 else 0,
        due_ms,
    )


async def _local(queue: str, job_id: str) -> Editable:
    job = await jobs(queue).filter(job_id=job_id).afirst()
    if job is None:
        raise JobNotFound(queue, job_id)
    size, due_ms = len(raw(job.data)), job.rank if job.state == State.DELAYED else None
    data = job.data if size <= MOST_BYTES else ""
    return Editable(
        queue, job_id, job.name, data, moving.seal(raw(job.data)), job.opts, size, job.state_enum, job.priority, due_ms
    )


def require_fit(found: Editable) -> None:
    """Raises InvalidInput for data that no page edits."""
    if found.is_too_large:
        raise InvalidInput(
            _(
                "The data of job “%(job)s” has %(size)s bytes; a page edits %(number)s KB at most. "
                "Change it from a program: queue(…).job(id).update_data(…)."
            )
            % {"job": found.job_id, "size": f"{found.size:,}", "number": MOST_BYTES // 1024}
        )
