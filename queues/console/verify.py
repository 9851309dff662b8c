"""`verify`: are the mirror's rows what Redis holds?"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from django.db import DatabaseError

from queues.console.exits import Exit
from queues.console.screen import number, printable
from queues.console.session import Session
from queues.errors import QueueNotFound, Refused
from queues.lookups.mirror_state import leads
from queues.masking import mask_json, mask_text
from queues.mirror.verify import Compared, Difference, verify
from queues.models.local import is_in_process

PATIENCE_MS = 3_000
LISTED_AT_MOST = 1_000
_TEXTS = frozenset(("failed_reason", "deferred_failure", "problems"))
_NO_MIRROR = "No mirror runs: the rows are as the last one left them."


def verify_rows(session: Session, options: Namespace) -> Exit:
    """Compare the mirror's rows with Redis: every field, order and count; what differs is named."""
    if is_in_process():
        raise Refused("USE_JOB_QUEUE is false: there is no Redis with which rows could be compared.")
    compared = Compared()
    found, count = session.run(_compare(session, options, compared))
    for difference in found:
        session.screen.lines([printable(_line(difference))])
    session.screen.say(_verdict(compared, count, len(found)))
    session.screen.give(
        {
            "connection": session.connection,
            "queues": compared.queues,
            "jobs": compared.jobs,
            "count": count,
            "differences": [_facts(difference) for difference in found],
        }
    )
    return Exit.REFUSED if count else Exit.DONE


async def _compare(session: Session, options: Namespace, compared: Compared) -> tuple[list[Difference], int]:
    """Those that are listed, and how many there are. Raises Refused where the database does not answer."""
    if not await leads():
        session.screen.note(_NO_MIRROR)
    listed: list[Difference] = []
    count = 0
    names: Sequence[str] | None = list(dict.fromkeys(options.queues)) or None
    patience_s = options.patience / 1000
    try:
        async with aclosing(verify(session.connection, names, patience_s=patience_s, compared=compared)) as differences:
            async for difference in differences:
                count += 1
                if len(listed) < options.limit:
                    listed.append(difference)
    except DatabaseError as error:
        raise Refused(f"The database does not answer: {str(error).strip().splitlines()[0]}.") from error
    if compared.unknown:
        raise QueueNotFound(compared.unknown[0])
    return listed, count


def _verdict(compared: Compared, count: int, listed: int) -> str:
    looked = f"{number(compared.jobs)} jobs of {number(compared.queues)} queues"
    if not count:
        return f"No difference: {looked} are in their rows as they are in Redis."
    more = f", of which {number(listed)} are listed" if listed < count else ""
    return f"{number(count)} differences{more}, among {looked}."


def _line(difference: Difference) -> str:
    return str(Difference(**_masked(difference)))


def _facts(difference: Difference) -> dict[str, Any]:
    return {("job" if name == "job_id" else name): value for name, value in _masked(difference).items()}


def _masked(difference: Difference) -> dict[str, Any]:
    """Names and numbers as they are; of texts the secrets hidden."""
    mask = mask_text if difference.field in _TEXTS else mask_json
    told = {name: getattr(difference, name) for name in ("queue", "job_id", "field", "redis", "row")}
    for side in ("redis", "row"):
        if isinstance(told[side], str):
            told[side] = mask(told[side])
    return told
