"""Bulk work: each action on jobs of each kind of target, frozen, counted, and nobody else's jobs touched."""

from __future__ import annotations

import pytest

from queues.operations import Target
from queues.states import State
from tests.operating import done
from tests.planting import plant_failed

pytestmark = pytest.mark.django_db(transaction=True)


async def test_all_failed_jobs_of_a_queue_are_retried(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 2_345)
    target = Target.of_state(connection, ["chat"], [State.FAILED])
    plant_failed(client_of_redis, prefix, "other", 3)
    operation = await done(target, "retry")
    assert (operation.phase, operation.total, operation.done, operation.moved) == ("done", 2_345, 2_345, 0)
    assert len(sight.ids("wait")) == 2_345
