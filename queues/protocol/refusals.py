"""What an error reply of Redis means: "not now" (RedisUnavailable) or "no" (RedisRefused)."""

from __future__ import annotations

from queues.errors import RedisFull, RedisReadOnly, RedisRefused, RedisUnavailable

#: Starting up, failing over, or a replica.
TRANSIENT = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "BUSY ")


def refusal(words: str) -> RedisUnavailable | RedisRefused:
    """The error for the words with which Redis answered; some of them end with a full stop, some do not."""
    words = words.rstrip(".")
    if words.startswith("READONLY"):
        return RedisReadOnly(f"Redis is not ready: {words}.")
    if words.startswith(TRANSIENT):
        return RedisUnavailable(f"Redis is not ready: {words}.")
    if words.startswith("OOM"):
        return RedisFull(f"Redis refused: {words}.")
    return RedisRefused(f"Redis refused: {words}.")
