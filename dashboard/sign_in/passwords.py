"""A rule for new passwords beside Django's: words that anybody would try first here do not count towards the length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

#: What this is, what it looks after, and who uses it.
WORDS = ("toril", "bullmq", "bull", "queue", "redis", "valkey", "worker", "admin", "operator", "dashboard", "password")
LEAST = 8


class ContextWords:
    """Refuses what is shorter than LEAST without WORDS and the names of this site's hosts."""

    def validate(self, password: str, user: Any = None) -> None:
        left = password.casefold()
        for word in (*WORDS, *_hosts()):
            left = left.replace(word, "")
        if len(left) < LEAST:
            raise ValidationError(_("This is little more than words that belong to this site."), code="context_words")

    def get_help_text(self) -> str:
        return _("The names of this site and of what it does do not make a password long.")


def _hosts() -> Iterator[str]:
    for host in settings.ALLOWED_HOSTS:
        yield from (part.casefold() for part in re.split(r"[^\w]+", host) if len(part) > 3 and not part.isdigit())
