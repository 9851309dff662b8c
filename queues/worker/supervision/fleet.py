"""What a supervisor is to keep alive: a checked value, handed from the command that was typed to the process that it
becomes. Neither Django nor a loop is needed to read it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Fleet:
    """`command` is what was typed; each child is that and what tells it from its siblings."""

    command: Sequence[str]
    processes: int
    drain_timeout_s: float
    frozen_after_s: float
    name: str = ""
    max_rss_mib: int | None = None
    max_jobs: int | None = None
    is_burst: bool = False
    #: Folders and files whose changes start the children anew; none: never.
    watch: Sequence[str] = ()
    health_port: tuple[str, int] | None = None
    health_file: str | None = None
    log_level: int = 20
    is_json: bool = False

    def child(self, index: int, descriptor: int, first_of_all: bool) -> list[str]:
        """The command of child `index`. Of two flags the last counts."""
        more = ["--supervised", str(descriptor)]
        if self.name:
            more += ["--name", f"{self.name}-{index}"]
        if self.max_jobs is not None and first_of_all:
            # Or all would stop for their successors at the same moment, and again each time after.
            more += ["--max-jobs", str(max(1, round(self.max_jobs * index / self.processes)))]
        return [*self.command, *more]

    def become(self) -> NoReturn:
        """Replace this process by the supervisor: same pid, same terminal, a third of the memory."""
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        script = Path(__file__).with_name("entry.py")
        os.execv(sys.executable, [sys.executable, str(script), json.dumps(asdict(self))])  # noqa: S606

    @classmethod
    def read(cls, text: str) -> Fleet:
        told: Mapping[str, object] = json.loads(text)
        return cls(**told)  # type: ignore[arg-type]
