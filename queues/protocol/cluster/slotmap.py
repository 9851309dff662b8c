"""Who holds which slot, as far as this process was told: one map per connection, for all its wires and threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from queues.errors import RedisUnavailable
from queues.options import ConnectionOptions
from queues.protocol.codec import text
from queues.protocol.commands import Command, command
from queues.protocol.slots import SLOTS

QUESTION: Command[Any] = command("CLUSTER", "SLOTS")


class Place(NamedTuple):
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SlotMap:
    """`owners` by slot, None where nobody holds it. `primaries` and `replicas` in the order of their slots."""

    owners: tuple[Place | None, ...]
    primaries: tuple[Place, ...]
    replicas: tuple[Place, ...] = ()
    #: A server did not answer: whoever blocks asks anew before it goes on.
    is_doubted: bool = False

    @classmethod
    def read(cls, reply: Sequence[Any], asked: Place) -> SlotMap:
        """Of CLUSTER SLOTS. A server that does not know its own address is where it was `asked`."""
        owners: list[Place | None] = [None] * SLOTS
        primaries: dict[Place, None] = {}
        replicas: dict[Place, None] = {}
        for first, last, primary, *others in sorted(reply, key=lambda row: int(row[0])):
            place = _place(primary, asked)
            owners[first : last + 1] = [place] * (last + 1 - first)
            primaries[place] = None
            replicas |= dict.fromkeys(_place(other, asked) for other in others)
        return cls(tuple(owners), tuple(primaries), tuple(replicas))

    def moved(self, slot: int, to: Place) -> SlotMap:
        owners = (*self.owners[:slot], to, *self.owners[slot + 1 :])
        return SlotMap(owners, tuple(dict.fromkeys((*self.primaries, to))), self.replicas)


def _place(told: Sequence[Any], asked: Place) -> Place:
    host = text(told[0] or b"")
    return Place(host if host and host != "?" else asked.host, int(told[1]))


_known: dict[ConnectionOptions, SlotMap] = {}


def known(options: ConnectionOptions) -> SlotMap | None:
    return _known.get(options)


def learn(options: ConnectionOptions, told: Any, asked: Place) -> SlotMap:
    """From what CLUSTER SLOTS said there. Raises RedisUnavailable where that is no map."""
    where = f"{asked.host}:{asked.port}"
    if isinstance(told, Exception):
        raise RedisUnavailable(f"{where} does not tell who holds which slots of the Cluster: {told}")
    if not told:
        raise RedisUnavailable(f"{where} belongs to no Cluster yet, or to one without slots.")
    found = _known[options] = SlotMap.read(told, asked)
    return found


def moved(options: ConnectionOptions, slot: int, to: Place) -> None:
    before = _known.get(options)
    if before is not None and before.owners[slot] != to:
        _known[options] = before.moved(slot, to)


def doubt(options: ConnectionOptions) -> None:
    if (before := _known.get(options)) is not None:
        _known[options] = replace(before, is_doubted=True)


def forget() -> None:
    """For tests, whose Clusters come and go."""
    _known.clear()
