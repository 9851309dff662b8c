"""Processors of the storm: naps and failures on two queues, each entered in the ledger outside Redis."""

from __future__ import annotations

import asyncio
from typing import Any

from queues import processor
from tests.acceptance.faultapp.jobs import entered


@processor("told", name="nap")
async def nap(job: Any) -> str:
    with entered(job) as entry:
        await asyncio.sleep(job.data["s"])
    return entry.run


@processor("told", name="raise")
async def fail(job: Any) -> str:
    with entered(job):
        raise ValueError("as asked")
