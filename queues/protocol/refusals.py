"""What an error reply of Redis means: "not now" (RedisUnavailable) or "no" (RedisRefused)."""

from __future__ import annotations

import re

from queues.errors import RedisFull, RedisReadOnly, RedisRefused, RedisUnavailable

#: Starting up, failing over, or a replica.
TRANSIENT = ("LOADING", "READONLY", "MASTERDOWN", "UNBLOCKED", "BUSY ")
#: A Cluster that has lost a primary and not found another yet; a slot on its way, of which some keys are here and some
#: there.
DOWN, ON_ITS_WAY = "CLUSTERDOWN", "TRYAGAIN"
SPREAD = (
    "Its keys lie in several hash slots of the Cluster, which no command may touch together. Give the prefix or"
    " the queue's name one hash tag, such as {bull}."
)


class Redirected(RedisUnavailable):
    """A server of a Cluster says who holds the slot: from now on (MOVED), or for this one command (ASK). A wire to one
    server knows of no other, so its caller is told what to change.
    """

    def __init__(self, words: str) -> None:
        super().__init__(
            "This server belongs to a Redis Cluster, and the key lies on another of its servers: set TOPOLOGY of the"
            " connection (REDIS_TOPOLOGY) to cluster."
        )
        verb, number, place = words.split()[:3]
        self.is_for_once, self.slot = verb == "ASK", int(number)
        host, _, port = place.rpartition(":")
        #: The host is empty where it is that of the server that says so.
        self.host, self.port = host, int(port)


class SlotOnItsWay(RedisUnavailable):
    """Some of the keys lie on one server of a Cluster and some on another, for as long as their slot is moved."""


class ClusterDown(RedisUnavailable):
    """A Cluster in which nobody serves some slots: a primary is gone, and none of its replicas took over yet."""


_COMMAND = re.compile(r"the '([^']+)' command")
#: Redis 6.2 says no more of a command inside a script.
_INSIDE = "can't run this command or subcommand"


def refusal(words: str) -> RedisUnavailable | RedisRefused:
    """The error for the words with which Redis answered; some of them end with a full stop, some do not."""
    words = words.rstrip(".")
    if words.startswith("READONLY"):
        return RedisReadOnly(f"Redis is not ready: {words}.")
    if words.startswith(TRANSIENT):
        return RedisUnavailable(f"Redis is not ready: {words}.")
    if words.startswith("OOM"):
        return RedisFull(f"Redis refused: {words}.")
    return _of_cluster(words) or RedisRefused(f"Redis refused: {_forbidden(words) or words}.")


def _forbidden(words: str) -> str:
    """What an ACL forbids, by the command's name, whichever of Redis's ages put it into words; else nothing."""
    if not words.startswith("NOPERM") and _INSIDE not in words:
        return ""
    if named := _COMMAND.search(words):
        return f"its user has no permission to call {named[1].upper()} (NOPERM)"
    if _INSIDE in words:
        return "its user has no permission to call what BullMQ's script calls (NOPERM)"
    return "its user has no permission for one of these keys (NOPERM)"


def _of_cluster(words: str) -> RedisUnavailable | RedisRefused | None:
    if words.startswith(("MOVED ", "ASK ")) and len(words.split()) > 2:
        return Redirected(words)
    if words.startswith(ON_ITS_WAY):
        return SlotOnItsWay(f"Redis is not ready: {words}.")
    if words.startswith(DOWN):
        return ClusterDown(f"Redis is not ready: {words}.")
    if words.startswith("CROSSSLOT") or "non local key" in words or "not hash to the same slot" in words:
        return RedisRefused(SPREAD)
    return None
