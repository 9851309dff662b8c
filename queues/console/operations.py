"""`operations`: bulk work under way and past, and what stops it or lets it go on."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from django.db.models import Q

from queues import operations
from queues.actions.audit import Done
from queues.console.exits import Exit
from queues.console.screen import moment, number, printable, span, table
from queues.console.session import Session
from queues.errors import InvalidInput
from queues.lookups import operations as lookups
from queues.lookups.mirror_state import leads
from queues.models import Operation

WORDS = ("list", "show", "pause", "resume", "cancel")
_STEER = {"pause": operations.pause, "resume": operations.resume, "cancel": operations.cancel}
#: What became of so many jobs, of those that were not simply done, is shown.
MOST_ITEMS = 20


def steer(session: Session, options: Namespace) -> Exit:
    """List operations, show one, pause it, let it go on, or cancel it."""
    if (options.number is None) is not (options.word == "list"):
        raise InvalidInput("operations: list takes no number; show, pause, resume and cancel take one.")
    if options.word == "list":
        return _list(session)
    if options.word == "show":
        return _show(session, options.number)
    return _change(session, options.word, options.number)


def _list(session: Session) -> Exit:
    async def look() -> tuple[list[Operation], bool]:
        return await lookups.listing(Q(connection=session.connection)), await leads()

    mine, is_led = session.run(look())
    session.screen.give({"operations": [facts(row) for row in mine], "leads": is_led})
    if not mine:
        session.screen.say("There are no operations.")
    else:
        rows = [_cells(row) for row in mine]
        session.screen.lines(
            table(("number", "action", "phase", "by", "done", "left", "moved", "stayed"), rows, left=4)
        )
    if not is_led and any(row.is_running for row in mine):
        session.screen.note("No mirror runs: nothing is done until one does (manage.py runmirror).")
    return Exit.DONE


def _cells(row: Operation) -> list[str]:
    counts = [number(row.done), number(row.left), number(row.moved), number(row.stayed)]
    return [str(row.pk), row.action, row.get_phase_display(), row.actor, *counts]


def _show(session: Session, wanted: int) -> Exit:
    async def look() -> tuple[Operation, lookups.Items]:
        row = await lookups.one(wanted)
        return row, await lookups.items(wanted, (2, 3), most=MOST_ITEMS)

    row, left = session.run(look())
    items = [
        {"queue": item.queue, "id": item.job_id, "outcome": item.get_outcome_display(), "note": item.note}
        for item in left.items
    ]
    session.screen.give({**facts(row), "left_alone": items})
    session.screen.lines([f"  {name:<12} {printable(value)}" for name, value in _told(row) if value])
    session.screen.lines([printable(f"  {one['queue']}/{one['id']}: {one['note'] or one['outcome']}") for one in items])
    return Exit.DONE


def _told(row: Operation) -> list[tuple[str, str]]:
    remaining = row.remaining_s
    return [
        ("operation", f"{row.pk}: {row.action} {', '.join(json.loads(row.queues))}"),
        ("phase", str(row.get_phase_display())),
        ("message", row.message),
        ("by", row.actor),
        ("reason", row.reason),
        ("begun", moment(int(row.created_at.timestamp() * 1000))),
        ("ended", moment(int(row.ended_at.timestamp() * 1000)) if row.ended_at else ""),
        ("jobs", number(row.total)),
        ("done", number(row.done)),
        ("left", number(row.left)),
        ("moved on", number(row.moved)),
        ("stayed", number(row.stayed)),
        ("speed", f"{row.speed:,.0f}/s" if row.is_running else ""),
        ("remaining", span(remaining) if remaining is not None else ""),
    ]


def facts(row: Operation) -> dict[str, Any]:
    """For a program."""
    plain = "action connection phase message actor reason expected total done moved stayed left rate_per_s".split()
    plain += "stop_percent judged failed_again speed kept_jobs kept_bytes remaining_s".split()
    told = {name: getattr(row, name) for name in plain}
    moments = {name: getattr(row, name) for name in ("created_at", "started_at", "ended_at")}
    return {"operation": row.pk, **told, **moments, "queues": json.loads(row.queues)}


def _change(session: Session, word: str, wanted: int) -> Exit:
    async def change() -> Done:
        await lookups.one(wanted)
        return Done("") if session.is_dry_run else await _STEER[word](session.actor, wanted)

    done = session.run(change())
    if session.is_dry_run:
        return session.would(f"would {word} operation {wanted}.", operation=wanted)
    session.screen.say(done.message)
    session.screen.give({"operation": wanted, "outcome": "done", "message": done.message})
    return Exit.DONE
