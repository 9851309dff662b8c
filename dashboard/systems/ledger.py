"""What processors write down while they run: usage, answers, states of research."""

from __future__ import annotations

import logging
from typing import Any

from django.db import Error as DatabaseFailure
from django.db.models import F
from django.db.models.functions import Coalesce

from dashboard.systems.endings import storable
from dashboard.systems.models import Message, ResearchState, TextJob
from dashboard.systems.models import Usage as Used
from queues.systems.records import Usage

log = logging.getLogger("toril.systems")

#: The newest so many questions are kept each by itself; a job's row has their sum for good.
MOST_USED = 20_000
PRUNED_EVERY = 1_000


class Ledger:
    """`queues.systems.records.Records`, with tables."""

    async def used(self, job: Any, usage: Usage) -> None:
        try:
            await self._count(job, usage)
        except DatabaseFailure:
            # The job has its answer, and would have to pay for another.
            log.exception("what %s took was not written down: %s", job, usage)

    async def _count(self, job: Any, usage: Usage) -> None:
        told = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
        row = await Used.objects.acreate(
            queue=job.queue,
            job_id=job.id,
            attempt=job.attempt,
            model=storable(usage.model),
            cost_cents=usage.cost_cents,
            **told,
        )
        sums = {"token_used": usage.tokens, "cost_cents": usage.cost_cents}
        if added := {name: Coalesce(F(name), 0) + count for name, count in sums.items() if count is not None}:
            await TextJob.objects.filter(queue=job.queue, job_id=job.id).aupdate(**added)
        if row.pk % PRUNED_EVERY == 0:
            await Used.objects.filter(pk__lte=row.pk - MOST_USED).adelete()

    async def answered(self, job: Any, answer: str) -> None:
        await Message.objects.filter(queue=job.queue, job_id=job.id).aupdate(answer=storable(answer))

    async def found(self, job: Any, state: dict[str, Any]) -> str | None:
        message = await Message.objects.filter(queue=job.queue, job_id=job.id).afirst()
        if message is None:
            return None
        kept, _ = await ResearchState.objects.aupdate_or_create(
            conversation_id=message.conversation_id, defaults={"owner": message.owner, "state": storable(state)}
        )
        return str(kept.pk)
