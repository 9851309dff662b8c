"""Why children failed whose failure their parent ignores: kept at the parent, by the child's key."""

from __future__ import annotations

from collections.abc import Sequence

from queues.protocol import codec
from queues.protocol.commands import command
from queues.protocol.connections import wire
from queues.protocol.reads.families import LARGEST_SHOWN, Ref


async def ignored_reasons(connection: str, parent: Ref, children: Sequence[Ref]) -> dict[str, str]:
    """The child's key → its reason, of those of these children that have one; a long one is left out."""
    on, key = wire(connection), codec.raw(parent.key) + b":failed"
    fields = [codec.raw(child.key) for child in children]
    sizes = await on.run([command("HSTRLEN", key, field) for field in fields], return_errors=True)
    wanted = [f for f, size in zip(fields, sizes, strict=True) if isinstance(size, int) and 0 < size <= LARGEST_SHOWN]
    found = await on.run([command("HGET", key, field) for field in wanted], return_errors=True)
    told = zip(wanted, found, strict=True)
    return {codec.text(field): codec.text(reason) for field, reason in told if isinstance(reason, bytes)}
