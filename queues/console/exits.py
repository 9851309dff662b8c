"""What the command's exit code says."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from queues.errors import ConfigurationError, InvalidInput, NotFound, RedisUnavailable, TorilError


class Exit(IntEnum):
    """REFUSED also where some of what was asked was done and some was not."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    AWAY = 4
    INTERRUPTED = 130


#: The first that fits.
_CODES: tuple[tuple[type[TorilError], Exit], ...] = (
    (ConfigurationError, Exit.USAGE),
    (InvalidInput, Exit.USAGE),
    (NotFound, Exit.NOT_FOUND),
    (RedisUnavailable, Exit.AWAY),
)


def exit_of(error: TorilError) -> Exit:
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.REFUSED)


def together(codes: Sequence[Exit]) -> Exit:
    """One code for several targets: theirs where all agree, else that not everything was done."""
    return codes[0] if len(set(codes)) == 1 else Exit.REFUSED if codes else Exit.DONE
