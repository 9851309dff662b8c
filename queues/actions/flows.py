"""Retrying what failed in a flow: the leaves, counted first, in steps that no worker feels; on record as one deed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import InvalidInput
from queues.protocol import writes
from queues.protocol.reads.families import Ref
from queues.states import State

STEP = 100
#: More at once is an operation of its own.
MOST = 20_000


async def retry_leaves(actor: Actor, root: Ref, leaves: Sequence[Ref]) -> Done:
    """Put these failed jobs back to wait; a parent that waits for them waits on. One that moved on is left.

    Raises InvalidInput for more than a walk finds.
    """
    if len(leaves) > MOST:
        raise InvalidInput(_("At most %(most)s jobs are retried at once.") % {"most": f"{MOST:,}"})

    async def act() -> Done:
        done = missed = 0
        for (connection, queue), refs in groupby(sorted(leaves), key=lambda ref: (ref.connection, ref.queue)):
            ids = [ref.id for ref in refs]
            for start in range(0, len(ids), STEP):
                if deed.is_unwanted:
                    break
                told = await writes.retry_jobs(connection, queue, State.FAILED, ids[start : start + STEP])
                done, missed = done + told.count(None), missed + len(told) - told.count(None)
        return Done(_said(done, missed, len(leaves)), affected=done, missed=missed)

    parameters = {"leaves": len(leaves), "queues": sorted({ref.queue for ref in leaves})[:50]}
    deed = Deed(actor, "flow.retry-leaves", root.connection, root.queue, root.id, parameters)
    return await record(deed, act, of_done)


def _said(done: int, missed: int, wanted: int) -> str:
    said = ngettext("%(count)s failed job of the flow retried", "%(count)s failed jobs of the flow retried", done)
    said %= {"count": f"{done:,}"}
    left = wanted - done - missed
    said += _(", %(count)s had moved on") % {"count": f"{missed:,}"} if missed else ""
    return said + (_("; %(count)s were left when nobody waited any more.") % {"count": f"{left:,}"} if left else ".")
