"""A name and a password: let in, turned away, or not even looked at. One line in the log for each, without the name
where it opened nothing.
"""

from __future__ import annotations

import structlog
from django.contrib.auth import authenticate, login
from django.http import HttpRequest
from django.utils.translation import gettext as _

from dashboard.sign_in.attempts import digest, one_at_a_time
from dashboard.sign_in.hurry import waiting_at_most
from dashboard.sign_in.proxies import address_of

log = structlog.get_logger("toril.sign_in")
#: What Django's tables hold of a name, and more than anybody types for a password.
MOST_NAME, MOST_PASSWORD = 150, 4_096


def try_in(request: HttpRequest, name: str, password: str) -> tuple[str, int]:
    """Signs in, or says what is wrong and with which status; one answer for a wrong name, a wrong password and a
    disabled account. Raises OperationalError where the database lets nobody write. Synchronous: one hop.
    """
    wrong = _("This name and password do not belong together."), 400
    if not name or not password or len(name) > MOST_NAME or len(password) > MOST_PASSWORD:
        return wrong
    with one_at_a_time(name), waiting_at_most():
        user = authenticate(request, username=name, password=password)
        if user is not None:
            login(request, user)
    told = {"account": digest(name)[:12], "place": address_of(request)}
    if user is not None:
        log.info("signed in", user=user.get_username(), place=told["place"])
        return "", 200
    if getattr(request, "axes_locked_out", False):
        log.warning("sign-in refused: too many have failed", **told)
        return _("Too many attempts. Wait ten minutes, then try again."), 429
    log.warning("sign-in failed", **told)
    return wrong
