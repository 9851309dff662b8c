"""Where in a command its keys stand, and so which server of a Cluster it must go to. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from queues.protocol.codec import raw
from queues.protocol.commands import Argument, Command

#: Commands that name no key.
KEYLESS = frozenset(
    "PING TIME INFO CLIENT CONFIG SLOWLOG SCAN SCRIPT MULTI EXEC ASKING ROLE ACL CLUSTER COMMAND DBSIZE WAIT".split()
)
#: Commands whose second word is no key, and whose third is.
_SUBCOMMANDS = frozenset(("XINFO", "XGROUP", "MEMORY", "OBJECT"))
_SCRIPTS = frozenset(("EVAL", "EVALSHA"))


def first_key(args: Sequence[Argument]) -> bytes | None:
    """The key that decides; Redis itself sees to it that the others lie in the same slot."""
    verb = verb_of(args)
    if verb in KEYLESS:
        return None
    if verb in _SCRIPTS:
        return as_bytes(args[3]) if int(args[2]) else None
    if verb == "XREAD":
        return stream_keys(args)[0]
    at = 2 if verb in _SUBCOMMANDS else 1
    return as_bytes(args[at]) if len(args) > at else None


def stream_keys(args: Sequence[Argument]) -> list[bytes]:
    rest = args[streams_at(args) :]
    return [as_bytes(key) for key in rest[: len(rest) // 2]]


def streams_at(args: Sequence[Argument]) -> int:
    """Where XREAD's list of keys begins."""
    # No option of it is called so, and the first key comes after it.
    return next(at for at, word in enumerate(args) if word in ("STREAMS", b"STREAMS")) + 1


def units(commands: Sequence[Command[Any]]) -> Iterator[range]:
    """What must stay together: each transaction from its MULTI to its EXEC, and each other command by itself."""
    began: int | None = None
    for at, asked in enumerate(commands):
        verb = verb_of(asked.args)
        if began is not None:
            if verb == "EXEC":
                yield range(began, at + 1)
                began = None
        elif verb == "MULTI":
            began = at
        else:
            yield range(at, at + 1)
    if began is not None:
        yield range(began, len(commands))


def leading_key(commands: Sequence[Command[Any]]) -> bytes | None:
    """The first key that any of these names."""
    return next((key for asked in commands if (key := first_key(asked.args)) is not None), None)


def verb_of(args: Sequence[Argument]) -> str:
    verb = args[0]
    return verb.decode() if isinstance(verb, bytes) else str(verb)


def as_bytes(key: Argument) -> bytes:
    return key if isinstance(key, bytes) else raw(str(key))
