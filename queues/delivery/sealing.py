"""Secrets of webhooks: made, and kept so that a copy of the database alone does not tell them.

They are sealed with the site's SECRET_KEY, and opened also with its SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
import secrets
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from queues.errors import TorilError

#: Of Standard Webhooks: 24 to 64 bytes, shown as base64 behind this.
SECRET_BYTES = 32
PREFIX = "whsec_"
_PURPOSE = b"toril.webhooks:"


class SecretUnreadable(TorilError):
    """It was sealed with a SECRET_KEY that is not known any more: it has to be rotated."""

    code = "secret_unreadable"
    status = 409


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(secret: str) -> str:
    return _fernet().encrypt(secret.encode()).decode()


def open_sealed(sealed: str) -> str:
    """Raises SecretUnreadable."""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable("The secret was sealed with another SECRET_KEY; rotate it.") from None


def _fernet() -> MultiFernet:
    return MultiFernet([_key(str(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(site: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(sha256(_PURPOSE + site.encode()).digest()))
