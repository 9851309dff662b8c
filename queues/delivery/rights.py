"""What the maker of an endpoint may see, for whoever tells: the site that knows people says so (`provide`).

Asked anew for every batch: whoever loses a right is told nothing more from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Rights(Protocol):
    """An empty `queue` means the connection as a whole."""

    def hears(self, connection: str, queue: str) -> bool:
        """Whether they see the queue, and may have webhooks there."""
        ...

    def reads(self, connection: str, queue: str) -> bool:
        """Whether they may read there what jobs carry."""
        ...


class Nobody:
    """Of somebody who is gone, or where nobody says who may do what."""

    def hears(self, connection: str, queue: str) -> bool:
        return False

    def reads(self, connection: str, queue: str) -> bool:
        return False


Provider = Callable[[int], Rights]
_provider: Provider | None = None


def provide(provider: Provider) -> None:
    """Synchronous; it is called inside transactions."""
    global _provider
    _provider = provider


def rights_of(user_id: int | None) -> Rights:
    return Nobody() if user_id is None or _provider is None else _provider(user_id)
