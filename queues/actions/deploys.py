"""Marks of what went live when: lines across the charts."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

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
        raise InvalidInput(
            _("A deploy's mark is a name of 1 to %(longest)s printable characters, such as v1.2.3.")
            % {"longest": LONGEST}
        )


async def _mark(actor: Actor, label: str) -> Done:
    await Deploy.objects.acreate(at=timezone.now(), label=label, actor=actor.name[:150])
    return Done(_("Marked “%(label)s” on the charts.") % {"label": label})
