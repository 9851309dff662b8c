"""Adding a flow by a program: a job with those it waits for, checked whole, written in one transaction, one record."""

from __future__ import annotations

from django.utils.translation import gettext as _

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Ending, record
from queues.models import Outcome
from queues.producer.carrier import carrier
from queues.producer.many import new_flow
from queues.producer.values import FlowSpec
from queues.protocol.flows import NewFlow

#: So many ids, and queues, the record tells.
TOLD = 50


async def add_flow(actor: Actor, connection: str, queue: str, spec: FlowSpec) -> NewFlow:
    """The flow as it was added: its jobs with their ids; one whose id was there already is that one.

    Raises InvalidInput before anything is written or recorded, Refused where jobs run in process, RedisUnavailable.
    """
    flow = new_flow(queue, spec)
    jobs = list(flow.walk())
    parameters = {
        "count": len(jobs),
        "queues": sorted({each.queue for each in jobs})[:TOLD],
        "ids": [each.job.id for each in jobs[:TOLD]],
    }
    deed = Deed(actor, "job.add", connection, queue, flow.job.id, parameters)

    async def act() -> NewFlow:
        await carrier().add_flows(connection, [flow])
        return flow

    return await record(deed, act, lambda added: _ending(added, len(jobs)))


def _ending(flow: NewFlow, count: int) -> Ending:
    said = _("Flow “%(job)s” with %(count)s jobs was added to queue “%(queue)s”.")
    told = {"job": flow.job.id, "count": f"{count:,}", "queue": flow.queue}
    return Ending(Outcome.DONE, said % told, count)
