"""Taking back a lock that ran out while Redis was away (`own/retakeLock-7.lua` says when that is allowed)."""

from __future__ import annotations

from queues.protocol.commands import Command, call_script
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob

_REASONS = {
    -1: "it was removed",
    -2: "another worker has taken it",
    -3: "it is no longer active",
    -6: "another worker holds its lock",
}


def retake(commands: RunningCommands, taken: TakenJob, token: str) -> Command[str]:
    """Reads as "" where the job is ours, locked for another `lock_ms`; otherwise as what became of it."""
    keys, key = commands.keys, commands.keys.base + taken.raw_id
    return call_script(
        "retakeLock",
        (key, key + b":lock", *keys.many("active wait prioritized stalled events")),
        (taken.raw_id, token, commands.lock_ms, *taken.fetch_marks),
        lambda reply: _REASONS[reply] if reply < 0 else "",
    )
