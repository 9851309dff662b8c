"""What must be said of a Redis that holds queues; empty where all is well."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.utils.translation import gettext as _

from dashboard.moments import rough
from queues.lookups.server import About, Node

#: From this share of its ceiling on a Redis is nearly full.
FULL = 0.85
#: Memory that the allocator holds but nobody uses: below this much it does not matter.
FRAGMENTED, LEAST_MB = 1.5, 100


def of_server(about: About) -> list[tuple[str, str]]:
    """Everything wrong, worst first, as (kind, sentence)."""
    bad = [eviction(about), fullness(about), rejected(about), aof(about), rdb(about), replica(about)]
    slow = [volatile(about), fragmentation(about), crowd(about)]
    return [("bad", sentence) for sentence in bad if sentence] + [("slow", sentence) for sentence in slow if sentence]


def of_nodes(nodes: Sequence[Node]) -> list[tuple[str, str]]:
    """What is wrong with servers of a Cluster, with the addresses of those of which it is true."""
    silent = [("bad", f"{node.address}: {node.trouble}") for node in nodes if node.trouble]
    lone = _("%(address)s has no replica: while it is away, its queues are.")
    without = [
        ("slow", lone % {"address": node.address})
        for node in nodes
        if node.about.info and not node.about.number("connected_slaves")
    ]
    told: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        for one in of_server(node.about) if node.about.info else []:
            told.setdefault(one, []).append(node.address)
    where = [(kind, f"{', '.join(addresses)}: {sentence}") for (kind, sentence), addresses in told.items()]
    return [*silent, *(one for one in where if one[0] == "bad"), *without, *(one for one in where if one[0] != "bad")]


def eviction(about: About) -> str:
    policy = about.info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ""
    return _("Redis may drop jobs when it is full: its policy is %(policy)s, BullMQ needs noeviction.") % {
        "policy": policy
    }


def fullness(about: About) -> str:
    used, most = about.number("used_memory"), about.number("maxmemory")
    if not most or used < FULL * most:
        return ""
    return _("Memory is %(share)s used: when it is full, no job can be added or finished.") % {
        "share": f"{used / most:.0%}"
    }


def fragmentation(about: About) -> str:
    held, used = about.number("used_memory_rss"), about.number("used_memory")
    if not used or held / used < FRAGMENTED or held - used < LEAST_MB * 1024 * 1024:
        return ""
    return _("The system holds %(ratio)s times what Redis uses; activedefrag gives it back.") % {
        "ratio": f"{held / used:.1f}"
    }


def aof(about: About) -> str:
    if about.info.get("aof_last_write_status", "ok") == "ok" and about.info.get("aof_last_bgrewrite_status") != "err":
        return ""
    return _("The append-only file could not be written: look at the disk.")


def rdb(about: About) -> str:
    if about.info.get("rdb_last_bgsave_status", "ok") == "ok":
        return ""
    return _("The last snapshot failed; Redis may refuse to write until one succeeds. Look at the disk and its log.")


def is_volatile(about: About) -> bool:
    """Whether nothing was ever saved, and neither snapshots nor an append-only file are kept."""
    return (
        not about.save_points
        and about.info.get("aof_enabled") == "0"
        and not about.number("rdb_saves")
        and is_unsaved(about)
    )


def is_unsaved(about: About) -> bool:
    started = time.time() - about.number("uptime_in_seconds")
    return about.number("rdb_last_save_time") <= started + 5


def volatile(about: About) -> str:
    if not is_volatile(about):
        return ""
    return _("Nothing is kept on disk since it started: a restart of Redis would lose every job. Turn appendonly on.")


def loss(about: About) -> str:
    if about.info.get("aof_enabled") == "1":
        return _("about a second (appendfsync everysec)")
    if is_volatile(about):
        return _("everything")
    return _("%(changes)s changes") % {"changes": f"{about.number('rdb_changes_since_last_save'):,}"}


def since(at_s: int) -> str:
    return _("%(time)s ago") % {"time": rough(max(0, int((time.time() - at_s) * 1000)))} if at_s else _("never")


def crowd(about: About) -> str:
    connected, most = about.number("connected_clients"), about.number("maxclients")
    if not most or connected < FULL * most:
        return ""
    return _("%(connected)s of at most %(most)s clients are connected; the next may be turned away.") % {
        "connected": f"{connected:,}",
        "most": f"{most:,}",
    }


def rejected(about: About) -> str:
    count = about.number("rejected_connections")
    if not count:
        return ""
    return _("%(count)s connections were turned away since it started: maxclients was reached.") % {
        "count": f"{count:,}"
    }


def replica(about: About) -> str:
    if about.info.get("role", "master") == "master":
        return ""
    return _("This is a replica: it cannot be written to, so nothing can be added or run here.")
