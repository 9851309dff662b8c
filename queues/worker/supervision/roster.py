"""What a supervisor answers to probes, for all its children together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from queues.worker.probes import Report, Verdict
from queues.worker.supervision.offspring import Offspring


class Roster:
    def __init__(self, children: Sequence[Offspring]) -> None:
        self._children = children

    def report(self) -> Report:
        """Live: no child says of itself that a restart would help. Ready: one is, and none that was is no longer.

        Children that start, or end to be replaced, count for neither.
        """
        serving = [child for child in self._children if child.was_ready and not child.is_retired]
        live, ready = self._gather(serving, "live"), self._gather(serving, "ready")
        if not serving:
            ready = Verdict(False, ("no worker process is ready",))
        facts = {"pid": os.getpid(), "processes": [self._facts(child) for child in self._children]}
        return Report(live, ready, facts)

    def _gather(self, children: Sequence[Offspring], name: str) -> Verdict:
        is_ok, reasons = True, list[str]()
        for child in children:
            if name in child.report:
                its_ok, its_reasons = child.report[name]
                is_ok = is_ok and its_ok
                reasons += [f"{child}: {reason}" for reason in its_reasons]
        return Verdict(is_ok, tuple(reasons))

    def _facts(self, child: Offspring) -> dict[str, Any]:
        return {"pid": child.pid, "phase": child.phase, **child.report.get("facts", {})}
