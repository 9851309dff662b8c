"""`manage.py queues` called in the test's own process: what it wrote, and the code it would end with."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from queues.protocol.connections import close_wires


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """The one object that was written."""
        (line,) = self.lines
        return json.loads(line)


def plant(planting: Awaitable[Any]) -> Any:
    """Put something into Redis, in a loop that ends before the verb makes its own."""

    async def work() -> Any:
        try:
            return await planting
        finally:
            await close_wires()

    return asyncio.run(work())


def queues(*arguments: str, stdin: str | None = None) -> Ran:
    """Run one verb. `stdin`: what is typed, on no terminal."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(stdin or ""))
        patch.setattr("sys.stderr", err)
        try:
            call_command("queues", *arguments, stdout=out, stderr=err)
        except CommandError as error:
            code = error.returncode
            err.write(f"{error}\n")
    return Ran(code, out.getvalue(), err.getvalue())
