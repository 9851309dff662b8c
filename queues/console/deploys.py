"""`mark_deploy`: a line across the charts, with what went live."""

from __future__ import annotations

from argparse import Namespace

from queues.actions.deploys import check, mark_deploy
from queues.console.exits import Exit
from queues.console.session import Session


def mark(session: Session, options: Namespace) -> Exit:
    """Mark on the charts that something went live now."""
    label = options.label.strip()
    check(label)
    if session.is_dry_run:
        return session.would(f"would mark “{label}” on the charts.", label=label)
    done = session.run(mark_deploy(session.actor, label))
    session.screen.say(done.message)
    session.screen.give({"label": label, "outcome": "done", "message": done.message})
    return Exit.DONE
