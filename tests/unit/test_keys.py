"""Key names, against PROTOCOL's table."""

import pytest

from queues.protocol.keys import Keys, pattern, queue_of
from queues.states import State


def test_keys_are_prefix_queue_suffix() -> None:
    k = Keys("bull", "chat")
    assert k("wait") == b"bull:chat:wait"
    assert k.state(State.WAITING_CHILDREN) == b"bull:chat:waiting-children"
    assert k.job("repeat:daily:1") == b"bull:chat:repeat:daily:1"
    assert k.lock("7") == b"bull:chat:7:lock"


def test_odd_bytes_in_a_name_reach_the_same_key() -> None:
    assert Keys("bull", "caf\ufffde9").base == b"bull:caf\xe9:"


def test_glob_characters_of_a_prefix_are_escaped() -> None:
    assert pattern("{b}*[x]?") == rb"{b}\*\[x\]\?:*:[im][de]*"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (b"bull:chat:meta", ("chat", "meta")),
        (b"bull:a/b:meta", ("a/b", "meta")),
        (b"bull:chat:repeat:meta", None),
        (b"bull::meta", None),
        (b"bull:chat:id", ("chat", "id")),
        (b"bull:chat:idle", None),
        (b"bull:chat:7:meta", None),
    ],
)
def test_a_queue_is_known_by_its_meta_key_or_its_counter_alone(key: bytes, name: tuple[str, str] | None) -> None:
    assert queue_of("bull", key) == name
