"""Whose webhook was disabled is told so by mail; where that account is gone or has no address, those who are told of
alerts by mail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from queues.models import Endpoint
from queues.options import get_options

log = logging.getLogger(__name__)

LONGEST_S = 20.0


async def tell_maker(row: Endpoint, call: Callable[..., Awaitable[Any]]) -> None:
    """Never raises: the page says it, too, and the record. `call` runs a function where the database is spoken to."""
    subject = _("Webhook “%(name)s” was disabled") % {"name": " ".join(row.name.split())}
    text = _(
        "Nothing more is sent to “%(name)s”: %(why)s.\n\nWhat waits for it is kept. Enable it again on its page, under"
        " Webhooks, once its receiver answers."
    ) % {"name": row.name, "why": row.get_why_display()}
    try:
        if addresses := await call(_addresses, row.maker_id):
            async with asyncio.timeout(LONGEST_S):
                await asyncio.to_thread(send_mail, subject, f"{text}{_link(row)}", None, addresses)
    except Exception as error:  # whatever a mail server may do
        log.warning("the maker of webhook %r could not be told by mail: %s", row.name, error)


def _addresses(user_id: int | None) -> list[str]:
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first() if user_id else None
    own = getattr(user, "email", "")
    return [own] if own else [address for channel in get_options().alerts.channels for address in channel.mail]


def _link(row: Endpoint) -> str:
    """To its page, where the settings say where the site is."""
    site = get_options().alerts.site
    query = f"?{urlencode({'connection': row.connection})}" if row.connection != "default" else ""
    return f"\n\n{site}/admin/queues/webhooks/{row.pk}{query}" if site else ""
