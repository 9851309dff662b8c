"""A test message to one channel, sent at once by whoever asks: it says what came of it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Ending, record
from queues.alerting import channels, messages
from queues.alerting.channels import Outcome
from queues.errors import NotFound, Refused
from queues.models import Outcome as Closed
from queues.options import get_options


async def try_channel(actor: Actor, name: str) -> Done:
    """Raises NotFound, or Refused with what the channel said."""
    channel = get_options().alerts.channel(name)
    if channel is None:
        raise NotFound(_("There is no channel “%(name)s” in the settings.") % {"name": name[:64]})
    title = " ".join([f"[{messages.site_title()}]", _("A test")])
    link = messages.address("default")
    text = "\n".join([
        _("%(who)s tried whether messages of alerts arrive here. Nothing is wrong.") % {"who": actor.name},
        *([link] if link else []),
    ])  # fmt: skip

    async def act() -> Outcome:
        return await channels.send(channel, title, text)

    outcome = await record(Deed(actor, "alert.test", "", "", parameters={"channel": name}), act, _ending)
    if not outcome.is_sent:
        told = {"name": name, "said": outcome.said}
        raise Refused(_("The test was not taken by “%(name)s”: %(said)s") % told)
    return Done(_("The test was sent to “%(name)s”. %(said)s") % {"name": name, "said": outcome.said})


def _ending(outcome: Outcome) -> Ending:
    return Ending(Closed.DONE if outcome.is_sent else Closed.FAILED, outcome.said, int(outcome.is_sent))
