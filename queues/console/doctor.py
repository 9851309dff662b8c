"""`doctor`: everything that may be wrong with an installation, asked once, each with what to do about it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from queues.console.exits import Exit
from queues.console.screen import printable
from queues.console.session import Session
from queues.errors import Refused
from queues.options import get_options


class Finding(Protocol):
    """`verdict`: ok, warning, bad, or unknown where it could not be asked."""

    @property
    def title(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def found(self) -> str: ...
    @property
    def advice(self) -> str: ...


#: What examines a connection; the dashboard, whose page asks the same, puts it here.
examiners: list[Callable[[str], Awaitable[Sequence[Finding]]]] = []


def examine(session: Session, options: Namespace) -> Exit:
    """Ask what may be wrong: Redis, its rights, clocks, queues, workers, the mirror, the database, the settings."""
    if not get_options().use_job_queue:
        raise Refused("USE_JOB_QUEUE is false: jobs run where they are added, and there is no Redis to examine.")
    if not examiners:
        raise Refused("The app “dashboard” is not among INSTALLED_APPS: the examination belongs to it.")
    found = session.run(_examined(session.connection))
    for finding in found:
        session.screen.lines(_lines(finding))
    wrong = [finding for finding in found if finding.verdict in ("bad", "warning")]
    bad = sum(finding.verdict == "bad" for finding in wrong)
    session.screen.say(f"{len(found)} asked: {bad} bad, {len(wrong) - bad} to look at.")
    names = ("title", "verdict", "found", "advice")
    told = [{name: str(getattr(finding, name)) for name in names} for finding in found]
    session.screen.give({"connection": session.connection, "bad": bad, "warnings": len(wrong) - bad, "checks": told})
    return Exit.REFUSED if bad or (options.strict and wrong) else Exit.DONE


async def _examined(connection: str) -> list[Finding]:
    return [finding for examiner in examiners for finding in await examiner(connection)]


def _lines(finding: Finding) -> list[str]:
    head = f"{finding.verdict.upper() if finding.verdict == 'bad' else finding.verdict:<8} {finding.title}"
    told = [f"{head}: {finding.found}" if finding.found else head]
    if finding.verdict != "ok" and finding.advice:
        told.append(f"{'':<8} → {finding.advice}")
    return [printable(line) for line in told]
