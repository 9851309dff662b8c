"""Sends a message to a channel: mail by Django, or a post as Slack takes it. Says what came of it, and never raises."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from queues.delivery.sending import post
from queues.options.alerts import Channel

#: A mail server and a chat have so long.
MAIL_S = 30.0
POST_S = 15.0
LONGEST_ANSWER = 500
#: Characters that Slack takes of one message.
LONGEST_TEXT = 3_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """`said` is one sentence."""

    is_sent: bool
    said: str


async def send(channel: Channel, title: str, text: str) -> Outcome:
    return await (_mail if channel.kind == "mail" else _slack)(channel, title, text)


async def _mail(channel: Channel, title: str, text: str) -> Outcome:
    try:
        async with asyncio.timeout(MAIL_S):
            await _aside(EmailMessage(title, text, to=list(channel.mail)).send)
    except TimeoutError:
        return Outcome(False, _("The mail server did not answer within %(seconds)s s.") % {"seconds": f"{MAIL_S:g}"})
    except Exception as error:
        return Outcome(False, _short(f"{type(error).__name__}: {error}"))
    return Outcome(True, _("The mail server took it."))


async def _aside(function: Callable[[], object]) -> None:
    """In a thread of its own, for which nobody waits for ever: a mail server that hangs holds up nothing else."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        error: Exception | None = None
        try:
            function()
        except Exception as raised:
            error = raised
        # The loop may be gone by then.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_end, ended, error)

    threading.Thread(target=run, name="alert-mail", daemon=True).start()
    await ended


def _end(ended: asyncio.Future[None], error: Exception | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)


async def _slack(channel: Channel, title: str, text: str) -> Outcome:
    told = json.dumps({"text": f"*{escaped(title)}*\n{escaped(text)}"[:LONGEST_TEXT]})
    answer = await post(channel.slack, told.encode(), {"Content-Type": "application/json"}, timeout_s=POST_S)
    if answer.is_ok:
        return Outcome(True, _("It answered %(status)s.") % {"status": answer.status})
    if answer.status is None:
        return Outcome(False, _short(answer.error))
    return Outcome(False, _short(_("It answered %(status)s.") % {"status": answer.status} + f" {answer.body}"))


def escaped(text: str) -> str:
    """A queue's name must not call the whole channel (`<!channel>`), or be a link."""
    found = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # These make text bold, struck or code; a name is to be read as it is.
    return "".join(f"{char}\u200b" if char in "*_~`" else char for char in found)


def _short(said: str) -> str:
    told = " ".join(said.split())[:LONGEST_ANSWER]
    return told if told.endswith((".", "!", "?")) else f"{told}."
