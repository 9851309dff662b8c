"""Whose webhook was disabled is told so by mail, where the account has an address and the site sends mail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from queues.models import Endpoint

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
        if address := await call(_address, row.maker_id):
            async with asyncio.timeout(LONGEST_S):
                await asyncio.to_thread(send_mail, subject, text, None, [address])
    except Exception as error:  # whatever a mail server may do
        log.warning("the maker of webhook %r could not be told by mail: %s", row.name, error)


def _address(user_id: int | None) -> str:
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first() if user_id else None
    return getattr(user, "email", "") if user is not None else ""
