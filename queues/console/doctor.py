"""`doctor`: everything that may be wrong with an installation, asked once, each with what to do about it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from queues.console.exits import Exit, together
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
    @property
    def is_away(self) -> bool: ...


#: What examines a connection, and the site's settings where that is asked, too; the dashboard, whose page asks the
#: same, puts it here.
examiners: list[Callable[[str, bool], Awaitable[Sequence[Finding]]]] = []


def examine(session: Session, options: Namespace) -> Exit:
    """Ask what may be wrong: Redis, its rights, clocks, queues, workers, the mirror, the database, the settings."""
    if not get_options().use_job_queue:
        raise Refused("USE_JOB_QUEUE is false: jobs run where they are added, and there is no Redis to examine.")
    if not examiners:
        raise Refused("The app “dashboard” is not among INSTALLED_APPS: the examination belongs to it.")
    chosen = [options.connection] if options.connection else list(get_options().connections)
    found = session.run(_examined(chosen))
    return together(
        [_told(session, name, found[name], is_strict=options.strict, is_one=len(found) == 1) for name in found]
    )


async def _examined(connections: Sequence[str]) -> dict[str, list[Finding]]:
    """By connection; what concerns the site as a whole stands with the first."""
    return {
        name: [finding for examiner in examiners for finding in await examiner(name, name == connections[0])]
        for name in connections
    }


def _told(session: Session, connection: str, found: Sequence[Finding], *, is_strict: bool, is_one: bool) -> Exit:
    if not is_one:
        session.screen.say(f"Connection “{connection}”")
    for finding in found:
        session.screen.lines(_lines(finding))
    wrong = [finding for finding in found if finding.verdict in ("bad", "warning")]
    bad = sum(finding.verdict == "bad" for finding in wrong)
    session.screen.say(f"{len(found)} asked: {bad} bad, {len(wrong) - bad} to look at.")
    names = ("title", "verdict", "found", "advice")
    told = [{name: str(getattr(finding, name)) for name in names} for finding in found]
    session.screen.give({"connection": connection, "bad": bad, "warnings": len(wrong) - bad, "checks": told})
    if any(finding.is_away for finding in found):
        return Exit.AWAY
    return Exit.REFUSED if bad or (is_strict and wrong) else Exit.DONE


def _lines(finding: Finding) -> list[str]:
    head = f"{finding.verdict.upper() if finding.verdict == 'bad' else finding.verdict:<8} {finding.title}"
    told = [f"{head}: {finding.found}" if finding.found else head]
    if finding.verdict != "ok" and finding.advice:
        told.append(f"{'':<8} → {finding.advice}")
    return [printable(line) for line in told]
