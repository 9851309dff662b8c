"""BullMQ's own Prometheus exporter beside ours, on the same Redis: the same names, labels and values."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dashboard.api.exposition import Exposition
from queues.lookups.exported import exported
from queues.protocol.keys import Keys
from tests.planting import plant_delayed, plant_failed, plant_waiting

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]
Told = dict[tuple[str, str, str], tuple[float, str]]


def told(text: str, queue: str) -> Told:
    """(name, queue, state) → value and type, of what BullMQ's exporter tells."""
    return {
        (sample.name, sample.labels["queue"], sample.labels.get("state", "")): (sample.value, family.type)
        for family in text_string_to_metric_families(text + "\n")
        for sample in family.samples
        if sample.labels.get("queue") == queue
    }


async def test_what_bullmqs_exporter_tells_is_in_ours(connection, node, client_of_redis, prefix):
    odd = 'quo"te\\ and space'
    for queue in ("chat", odd):
        await plant_waiting(connection, queue, 3)
        await plant_delayed(connection, queue, 2)
        plant_failed(client_of_redis, prefix, queue, 4)
        client_of_redis.zadd(f"{prefix}:{queue}:prioritized", {"p": 1})
        client_of_redis.zadd(f"{prefix}:{queue}:waiting-children", {"w": 1})
        for kind, count in (("completed", 120), ("failed", 7)):
            client_of_redis.hset(Keys(prefix, queue)(f"metrics:{kind}"), mapping={"count": count, "prevCount": 0})
    ours = generate_latest(Exposition(await exported(connection), lambda _: True)).decode()
    for queue in ("chat", odd):
        (text,) = await node("ask", [["exportPrometheusMetrics"]], queue=queue)
        theirs = told(text, queue)
        assert len(theirs) == 9
        assert theirs.items() <= told(ours, queue).items()
