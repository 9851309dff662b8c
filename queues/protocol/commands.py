"""Each Redis command as a value: what goes over the wire and how its reply is read. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import msgpack

from queues.protocol.scripts import Script, script

T = TypeVar("T")
Argument = bytes | str | int | float


def as_is(reply: Any) -> Any:
    return reply


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """`read` turns the reply into the value, and raises the domain error that a reply stands for."""

    args: tuple[Argument, ...]
    read: Callable[[Any], T] = as_is
    script: Script | None = None

    def as_eval(self) -> tuple[Argument, ...]:
        """The same call with the script's source, for a server that does not hold the script."""
        if self.script is None:
            raise ValueError("not a script call")
        return ("EVAL", self.script.source, *self.args[2:])


@overload
def command(*args: Argument) -> Command[Any]: ...
@overload
def command(*args: Argument, read: Callable[[Any], T]) -> Command[T]: ...
def command(*args: Argument, read: Callable[[Any], Any] = as_is) -> Command[Any]:
    """`command("LLEN", key)`; `read` says how its reply becomes a value."""
    return Command(args, read)


def call_script(
    name: str, keys: Sequence[bytes], args: Sequence[Argument], read: Callable[[Any], T] = as_is
) -> Command[T]:
    """A call of one of BullMQ's scripts. Raises ValueError where the keys are not as many as the script takes."""
    found = script(name)
    if len(keys) != found.key_count:
        raise ValueError(f"{name} takes {found.key_count} keys, not {len(keys)}")
    return Command(("EVALSHA", found.sha, len(keys), *keys, *args), read, found)


def pack(value: Any) -> bytes:
    """msgpack as Redis's cmsgpack reads it: it knows no `bin` type, so bytes and text are both plain strings."""
    packed: bytes = msgpack.packb(value, use_bin_type=False, unicode_errors="surrogatepass")
    return packed
