"""What the maker of a webhook may see, for whoever tells (`queues.delivery.rights`): as they may now."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth import get_user_model

from dashboard.grants import DEFAULT_CONNECTION, Grants, grants_of
from queues.abilities import ACTIONS
from queues.delivery.rights import Nobody, Rights
from queues.options.values import LOCAL_CONNECTION

HEARS, READS = frozenset({"view", ACTIONS["webhook.make"]}), frozenset({"view", ACTIONS["job.payload"]})


@dataclass(frozen=True, slots=True)
class Maker:
    grants: Grants

    def hears(self, connection: str, queue: str) -> bool:
        return self._held(connection, queue) >= HEARS

    def reads(self, connection: str, queue: str) -> bool:
        return self._held(connection, queue) >= READS

    def _held(self, connection: str, queue: str) -> frozenset[str]:
        if queue:
            return self.grants.on(queue, connection).abilities
        # Of a connection as a whole hears who has it as a whole.
        here = DEFAULT_CONNECTION if connection == LOCAL_CONNECTION else connection
        whole = [p.abilities for p in self.grants.patterns if p.queue == "*" and p.fits_connection(here)]
        return self.grants.abilities.union(*whole)


def rights_of(user_id: int) -> Rights:
    """Synchronous: asks the database."""
    user = get_user_model().objects.filter(pk=user_id).first()
    return Maker(grants_of(user)) if user is not None else Nobody()
