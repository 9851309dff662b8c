"""What `settings.py` takes from the environment for those who are told of alerts: the mail server, and the channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import VERSION

from dashboard.environment import flag, words
from queues.options.reading import integer

#: A mail server that does not answer is given up.
MAIL_S = 20


def mail(environ: Mapping[str, str]) -> dict[str, Any]:
    """Django's settings of mail, by the names that its version takes. Raises ConfigurationError naming the variable."""
    told = {
        "host": environ.get("EMAIL_HOST", "").strip() or "localhost",
        "port": integer("EMAIL_PORT", environ.get("EMAIL_PORT", "").strip() or 25, 1, 65_535),
        "username": environ.get("EMAIL_HOST_USER", ""),
        "password": environ.get("EMAIL_HOST_PASSWORD", ""),
        "use_tls": flag(environ, "EMAIL_USE_TLS", False),
        "use_ssl": flag(environ, "EMAIL_USE_SSL", False),
        "timeout": MAIL_S,
    }
    sender = environ.get("DEFAULT_FROM_EMAIL", "").strip()
    by_name = {"DEFAULT_FROM_EMAIL": sender} if sender else {}
    if VERSION >= (6, 1):
        smtp = {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": told}
        return {"MAILERS": {"default": smtp}, **by_name}
    names = {"username": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD"}
    return {names.get(key, f"EMAIL_{key.upper()}"): value for key, value in told.items()} | by_name


def alerts(environ: Mapping[str, str]) -> dict[str, Any]:
    """`TORIL["ALERTS"]`: one channel of each kind that has an address, where this site is, who hears a sign of life."""
    channels: dict[str, Any] = {}
    if to := words(environ, "ALERT_MAIL_TO"):
        channels["mail"] = {"MAIL": to}
    if chat := environ.get("ALERT_SLACK_URL", "").strip():
        channels["chat"] = {"SLACK": chat}
    site, heartbeat = environ.get("SITE_URL", "").strip(), environ.get("ALERT_HEARTBEAT_URL", "").strip()
    return {"CHANNELS": channels, "SITE": site, "HEARTBEAT_URL": heartbeat}
