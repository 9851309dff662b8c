"""A running job's reports, written to SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from queues.inprocess import ledger
from queues.inprocess.adding import stored
from queues.inprocess.ledger import Run
from queues.mirror.thread import DatabaseThread


class SqlReporter:
    """Each raises JobNotFound where the job was removed meanwhile, or runs elsewhere by now."""

    def __init__(self, run: Run, database: DatabaseThread) -> None:
        self._run, self._database = run, database

    async def log(self, text: str) -> None:
        await self._database.call(ledger.log, self._run.pk, stored(text), self._run.taken.options.keep_logs)

    async def progress(self, value_json: str) -> None:
        await self._database.call(ledger.progress, self._run, stored(value_json))

    async def update_data(self, data_json: str) -> None:
        await self._database.call(ledger.update_data, self._run, stored(data_json))

    async def notify(self, told: Sequence[str]) -> None:
        await self._database.call(ledger.notify, self._run, list(told))

    async def children(self) -> Mapping[str, Any]:
        return {}
