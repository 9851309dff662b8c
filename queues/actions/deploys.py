"""Marks of what went live when: lines across the charts."""

from __future__ import annotations

from django.utils import timezone

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import InvalidInput
from queues.models import Deploy

LONGEST = 100


async def mark_deploy(actor: Actor, label: str) -> Done:
    """Something named `label` went live now. Raises InvalidInput where that is no name."""
    label = label.strip()
    check(label)
    deed = Deed(actor, "deploy.mark", "", "", parameters={"label": label})
    return await record(deed, lambda: _mark(actor, label), of_done)


def check(label: str) -> None:
    """Raises InvalidInput unless it is short, printable and not empty."""
    if not label or len(label) > LONGEST or not label.isprintable():
        raise InvalidInput(f"A deploy's mark is a name of 1 to {LONGEST} printable characters, such as v1.2.3.")


async def _mark(actor: Actor, label: str) -> Done:
    await Deploy.objects.acreate(at=timezone.now(), label=label, actor=actor.name[:150])
    return Done(f"Marked “{label}” on the charts.")
