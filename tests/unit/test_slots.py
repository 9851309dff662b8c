"""Which keys lie on one server of a Cluster, and what a producer refuses there before it writes anything."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from queues import queue
from queues.errors import Refused
from queues.options import reset_options
from queues.producer.over_redis import CARRIER
from queues.protocol.slots import require_one_slot, slot


@pytest.mark.parametrize(
    ("key", "expected"),
    # As `CLUSTER KEYSLOT` says.
    [
        (b"123456789", 12739),
        (b"foo", 12182),
        (b"{foo}bar", 12182),
        (b"bar{foo}{x}", 12182),
        (b"{}foo", key_slot(b"{}foo")),
        (b"foo{", key_slot(b"foo{")),
        (b"{bull}:chat:wait", key_slot(b"bull")),
    ],
)
def test_a_keys_slot_is_that_of_its_tag(key: bytes, expected: int) -> None:
    assert slot(key) == expected


@pytest.mark.parametrize("bases", [[b"{bull}:chat:"], [b"{bull}:chat:", b"{bull}:mails:"], [b"a:{a}:", b"b:{a}:"]])
def test_keys_of_one_tag_are_taken(bases: list[bytes]) -> None:
    require_one_slot(bases, "The flow")


@pytest.mark.parametrize(
    ("bases", "said"),
    [
        ([b"bull:chat:"], "hash tag"),
        ([b"bull:{}:"], "hash tag"),
        ([b"bull:{chat:"], "hash tag"),
        ([b"bull:{a}:", b"bull:{b}:"], "several hash slots"),
        ([b"{bull}:chat:", b"bull:chat:"], "hash tag"),
    ],
)
def test_keys_of_several_slots_are_refused(bases: list[bytes], said: str) -> None:
    with pytest.raises(Refused, match=said):
        require_one_slot(bases, "The flow")


@pytest.fixture
def cluster(monkeypatch, settings):
    """A connection that counts as a Cluster, at an address where nobody is: what is refused never gets there."""

    def of(prefix: str) -> None:
        settings.TORIL = {"CONNECTIONS": {"default": {"URL": "redis://127.0.0.1:1", "PREFIX": prefix}}}
        reset_options()

    monkeypatch.setattr(type(CARRIER), "is_cluster", staticmethod(lambda connection: True))
    yield of
    reset_options()


async def test_in_a_cluster_a_queue_without_a_tag_is_refused_before_anything_is_written(cluster) -> None:
    cluster("bull")
    for adding in (
        queue("chat").add("x"),
        queue("chat").add_bulk([{"name": "x"}]),
        queue("chat").add_flow("x", children=[{"name": "y"}]),
    ):
        with pytest.raises(Refused, match="hash tag"):
            await adding


async def test_in_a_cluster_a_flow_over_several_slots_is_refused(cluster) -> None:
    cluster("bull")
    with pytest.raises(Refused, match="several hash slots"):
        await queue("{a}").add_flow("x", children=[{"name": "y", "queue": "{b}"}])
    with pytest.raises(Refused, match="several hash slots"):
        await queue("{a}").add("x", parent=queue("{b}").job("1"))
