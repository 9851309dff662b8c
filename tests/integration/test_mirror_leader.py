"""One mirror writes per database: it is waited for, taken over from, and shut out when it comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from queues.mirror import leader, service
from queues.mirror.leader import Leader, LeaseLost, is_dead
from queues.mirror.store import Change, Store
from queues.models import Lease, Queue
from tests.eventually import eventually
from tests.mirroring import add, in_step, mirror_running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def test_one_leads_and_a_second_waits_until_it_is_given_back():
    first, second = Leader(), Leader()
    assert first.try_take()
    assert not second.try_take()
    first.give_back()
    assert second.try_take()
    assert second.epoch == first.epoch + 2


def test_a_lease_that_is_not_renewed_is_taken_over_by_the_waiters_own_clock():
    now = [100.0]
    first, second = Leader(), Leader(clock=lambda: now[0])
    assert first.try_take()
    assert not second.try_take()
    now[0] += leader.LASTS_S - 0.1
    first.renew()
    assert not second.try_take()
    now[0] += leader.LASTS_S - 0.1
    assert not second.try_take()
    now[0] += 0.2
    assert second.try_take()
    with pytest.raises(LeaseLost):
        first.renew()


def test_a_clock_that_stands_wrong_neither_gives_the_lease_away_nor_keeps_it():
    now = [100.0]
    first, second = Leader(), Leader(clock=lambda: now[0])
    assert first.try_take()
    Lease.objects.update(until=timezone.now() - timedelta(days=1))
    assert not second.try_take()
    Lease.objects.update(until=timezone.now() + timedelta(days=1))
    assert not second.try_take()
    now[0] += leader.LASTS_S
    assert second.try_take()


def test_a_holder_that_died_on_this_machine_is_not_waited_for():
    first, second = Leader(), Leader()
    assert first.try_take()
    assert not is_dead(first.holder)
    with subprocess.Popen(["true"]) as done:
        pass
    dead = first.holder.replace(f":{os.getpid()}:", f":{done.pid}:")
    assert is_dead(dead)
    assert not is_dead(dead + "1"), "another container"
    assert not is_dead("host:1:abc:")
    assert not is_dead("")
    Lease.objects.update(holder=dead)
    assert second.try_take()


def test_a_former_leader_writes_nothing(connection):
    first, second = Leader(lasts_s=0.0), Leader(lasts_s=0.0)
    assert first.try_take()
    Queue.objects.create(name="chat", cursor="1-1")
    assert second.try_take()
    with pytest.raises(LeaseLost):
        Store("default", first).commit([Change("chat", [], "2-1")])
    with pytest.raises(LeaseLost):
        Store("default", first).close_queue("chat")
    assert Queue.objects.get().cursor == "1-1"
    assert not database.in_atomic_block
    first.give_back()
    assert Store("default", second).commit([Change("chat", [], "3-1")]) == 0
    assert Queue.objects.get().cursor == "3-1"


async def test_a_second_mirror_goes_on_where_the_first_stopped(connection):
    await add(connection, "chat", 3)
    async with contextlib.AsyncExitStack() as leading, contextlib.AsyncExitStack() as waiting:
        first = await leading.enter_async_context(mirror_running(connection))
        await in_step(connection)
        second = await waiting.enter_async_context(mirror_running(connection))
        await add(connection, "chat", 3)
        await in_step(connection)
        assert (first.is_leading, second.is_leading) == (True, False)
        await leading.aclose()
        await eventually(lambda: second.is_leading)
        await add(connection, "chat", 3)
        await in_step(connection)


async def test_a_leader_that_was_robbed_stops_writing_and_waits_again(connection, monkeypatch):
    monkeypatch.setattr(service, "RENEW_S", 0.1)
    await add(connection, "chat", 3)
    async with mirror_running(connection) as mirror:
        await in_step(connection)
        await Lease.objects.aupdate(holder="someone else", epoch=99)
        await eventually(lambda: not mirror.is_leading)
        assert (await Lease.objects.aget()).epoch == 99
        mirror.leader.lasts_s = 0.0
        await eventually(lambda: mirror.is_leading)
        await add(connection, "chat", 3)
        await in_step(connection)
        assert (await Lease.objects.aget()).epoch == 100


async def test_stopping_leaves_no_task_no_thread_and_no_lease(connection):
    await add(connection, "chat", 3)
    mirror = service.Mirror([connection])
    task = asyncio.create_task(mirror.run())
    await in_step(connection)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (await Lease.objects.aget()).holder == ""
    assert not [t for t in asyncio.all_tasks() if "mirror" in t.get_name()]
    assert not [t for t in threading.enumerate() if "mirror" in t.name]
    assert leader.NAME == "mirror"
