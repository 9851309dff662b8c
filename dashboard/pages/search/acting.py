"""What may be done to what a search found: to those ticked, or to all that fit; the operations’ page counts first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from dashboard import links
from dashboard.request import Request
from queues.models import Job
from queues.models.local import is_in_process
from queues.operations import ACTIONS
from queues.states import State

OFFERED = ("retry", "promote", "move", "reprioritize", "remove")


def acting(request: Request, connection: str, asked: Mapping[str, object], jobs: Iterable[Job]) -> dict[str, Any]:
    """`doable`: each with its word and the address about all that fit; nothing where jobs run in process, whose pages
    act on them one by one.
    """
    if is_in_process():
        return {"doable": []}
    held = request.grants.anywhere
    states = {job.state_enum for job in jobs if job.removed_at is None and job.connection == connection}
    doable = [do for do in OFFERED if held.may(ACTIONS[do].needed) and states & _meant(do)]
    words = {"retry": _("Retry"), "promote": _("Promote"), "remove": _("Remove")}
    words |= {"move": _("Move"), "reprioritize": _("Change priority")}
    told = [(do, words[do], links.new_operation_url(connection, do=do, **asked)) for do in doable]
    return {"doable": told, "to": links.new_operation_url(connection)}


def _meant(do: str) -> frozenset[State]:
    """What is over is run again only where somebody says so: see `operation_target`."""
    return ACTIONS[do].legal - ({State.COMPLETED} if do == "move" else set())
