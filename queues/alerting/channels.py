"""Sends a message to a channel: mail by Django, or a post as Slack takes it. Says what came of it, and never raises."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.core.mail import EmailMessage, get_connection
from django.utils.translation import gettext as _

from queues.delivery.sending import post
from queues.options.alerts import Channel

#: A mail server and a chat have so long.
MAIL_S = 20.0
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
    """In a thread of its own: a mail server that hangs must hold up nothing else."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="alert-mail")
    try:
        running = asyncio.get_running_loop().run_in_executor(pool, _send_mail, channel, title, text)
        async with asyncio.timeout(2 * MAIL_S):
            await running
    except TimeoutError:
        return Outcome(False, _("The mail server did not answer within %(seconds)s s.") % {"seconds": f"{MAIL_S:g}"})
    except Exception as error:
        return Outcome(False, _short(f"{type(error).__name__}: {error}"))
    finally:
        pool.shutdown(wait=False)
    return Outcome(True, _("The mail server took it."))


def _send_mail(channel: Channel, title: str, text: str) -> None:
    with get_connection(timeout=MAIL_S) as connection:
        EmailMessage(title, text, to=list(channel.mail), connection=connection).send()


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
    return " ".join(said.split())[:LONGEST_ANSWER]
