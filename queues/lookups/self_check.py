"""What a self-check has to know of Redis, the queues, the mirror and the database: facts, no verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseFailure
from django.db import connection as database
from django.db import transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from queues.errors import ConfigurationError, RedisRefused, RedisUnavailable, TorilError
from queues.lookups.mirror_state import Followed, MirrorState, mirror_state
from queues.lookups.server import About, server
from queues.models import Lease, Queue
from queues.options import get_options
from queues.protocol.connections import prefix, wire
from queues.protocol.events import position
from queues.protocol.reads.about import Upkeep, clock_skew_ms, upkeep
from queues.protocol.reads.pulses import pulses
from queues.protocol.scripts import all_scripts, check_version
from queues.protocol.slots import untagged
from queues.protocol.topology import known

#: So many queues are looked at one by one, those with the most jobs.
MOST_QUEUES = 200
MIRROR = "mirror"


@dataclass(frozen=True, slots=True)
class Mirror:
    """`is_alive`: its lease is renewed. `lag_s`: how far the queue that is furthest behind is; None where nothing is
    known of any.
    """

    is_known: bool = False
    is_alive: bool = False
    holder: str = ""
    lag_s: float | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    """Why the database cannot be written to, and how many migrations were not applied."""

    trouble: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """`trouble` is why Redis could not be asked, `is_away` that it did not answer; what comes from it is empty then."""

    trouble: str = ""
    about: About = field(default_factory=About)
    skew_ms: float = 0.0
    unsure_ms: float = 0.0
    scripts: str = ""
    upkeep: tuple[Upkeep, ...] = ()
    #: Why queues of a Cluster cannot be written to; empty where each lies in one slot.
    untagged: str = ""
    mirror: Mirror = Mirror()
    #: Of this connection, as the mirror said; None where it said nothing.
    followed: Followed | None = None
    state: MirrorState = field(default_factory=MirrorState)
    tables: Tables = Tables()
    is_away: bool = False


async def facts(connection: str, queues: Sequence[Queue]) -> Facts:
    """Of the connection and these queues, now. Never raises for what it is there to find."""
    chosen = [queue.name for queue in sorted(queues, key=lambda queue: -queue.total)[:MOST_QUEUES]]
    found, scripts = await tables(), _scripts()
    try:
        about, (skew_ms, unsure_ms), kept = await asyncio.gather(
            server(connection), clock_skew_ms(connection), upkeep(connection, chosen)
        )
        mirror = Mirror() if found.trouble or found.missing else await _mirror(connection, chosen)
    except (RedisUnavailable, RedisRefused) as error:
        return Facts(str(error), is_away=isinstance(error, RedisUnavailable), scripts=scripts, tables=found)
    state = MirrorState() if found.trouble or found.missing else await mirror_state()
    followed = next((each for each in state.connections if each.connection == connection), None)
    lost = _untagged(connection, queues)
    return Facts("", about, skew_ms, unsure_ms, scripts, tuple(kept), lost, mirror, followed, state, found)


def _untagged(connection: str, queues: Sequence[Queue]) -> str:
    options = get_options().connection(connection)
    return untagged(options.prefix, [queue.name for queue in queues]) if known(options) == "cluster" else ""


def _scripts() -> str:
    """What is wrong with BullMQ's scripts, as they are installed here."""
    try:
        check_version()
        all_scripts()
    except ConfigurationError as error:
        return str(error)
    return ""


def look_at_tables() -> Tables:
    """Whether the database can be written to and is as the code expects it."""
    try:
        executor = MigrationExecutor(database)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        missing = tuple(f"{migration.app_label}.{migration.name}" for migration, _ in plan)
        if not missing:
            with transaction.atomic():
                # Changes no row, and is refused all the same where nothing may be written.
                Lease.objects.filter(pk=-1).update(epoch=0)
    except DatabaseFailure as error:
        return Tables(str(error).strip()[:200] or type(error).__name__)
    return Tables(missing=missing)


tables = sync_to_async(look_at_tables)


async def _mirror(connection: str, names: Sequence[str]) -> Mirror:
    lease = await Lease.objects.filter(name=MIRROR).afirst()
    if lease is None:
        return Mirror()
    is_alive = lease.until is not None and lease.until > timezone.now() and bool(lease.holder)
    holder = lease.holder.partition(":")[0]
    try:
        lag_s = await _lag_s(connection, names)
    except TorilError:
        lag_s = None
    return Mirror(True, is_alive, holder, lag_s)


async def _lag_s(connection: str, names: Sequence[str]) -> float | None:
    rows = Queue.objects.filter(connection=connection, name__in=list(names)).exclude(cursor="")
    cursors = {name: cursor.lstrip("~") async for name, cursor in rows.values_list("name", "cursor")}
    if not cursors:
        return None
    last = await pulses(wire(connection), prefix(connection), list(cursors))
    behind = [(position(last[name].last)[0] - position(at)[0]) / 1000 for name, at in cursors.items() if at]
    return max(0.0, *behind) if behind else None
