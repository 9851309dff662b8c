"""Redis Cluster's slots: which keys lie on one server, and so may be touched by one script or transaction."""

from __future__ import annotations

import binascii
from collections.abc import Iterable

from queues.errors import Refused

SLOTS = 16_384


def slot(key: bytes) -> int:
    """The slot of a key: of what stands between its first braces, where there is something, else of all of it."""
    return binascii.crc_hqx(tag(key) or key, 0) % SLOTS


def tag(key: bytes) -> bytes:
    """What stands between its first braces; nothing where keys that begin with it would lie all over the Cluster."""
    _, _, rest = key.partition(b"{")
    found, closing, _ = rest.partition(b"}")
    return found if closing else b""


def require_one_slot(keys: Iterable[bytes], what: str) -> None:
    """Raises Refused where the keys lie in several slots: no transaction can span them, and nothing was written.

    Every key of a queue begins with its base key; without a hash tag in it even one queue lies all over the Cluster.
    """
    bases = list(keys)
    if untagged := [key for key in bases if not tag(key)]:
        raise Refused(
            f"{what} cannot be added to a Cluster: the prefix or the queue's name needs a hash tag, such as"
            f" {{bull}}, and “{untagged[0].decode(errors='replace').rstrip(':')}” has none."
        )
    if len({slot(key) for key in bases}) > 1:
        raise Refused(f"{what} would span several hash slots: give the queues one hash tag, in prefix or name.")


def untagged(prefix: str, queues: Iterable[str]) -> str:
    """Why these cannot be worked on in a Cluster, as a sentence; nothing where each lies in one slot."""
    if tag(prefix.encode()):
        return ""
    lost = [name for name in queues if not tag(name.encode(errors="replace"))]
    if not lost:
        return ""
    named = ", ".join(f"“{name}”" for name in lost[:3]) + (", …" if len(lost) > 3 else "")
    return (
        f"The connection is a Redis Cluster, and the keys of {named} would lie all over it: give the prefix a hash tag"
        f" (QUEUE_PREFIX={{{prefix}}}), or each queue's name ({{{lost[0]}}})."
    )
