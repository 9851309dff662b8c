"""Redis as an operator needs it: memory, persistence, clients, what queues cost, what was slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.drawing import render
from dashboard.moments import span
from dashboard.pages.redis import sentences
from dashboard.pages.shell.frame import frame, known_connection, visible
from dashboard.presentation import dashboard_options
from dashboard.request import Request
from dashboard.tags.figures import size
from queues.errors import NotFound, RedisUnavailable
from queues.lookups.server import About, Node, SlowCommand, server, servers, weighed
from queues.lookups.snapshot import snapshot
from queues.masking import mask_text
from queues.options import get_options

#: So many commands of all the servers together.
MOST_SLOW = 40


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what, its value, and what must be said of it, if anything (`kind` is bad or slow)."""

    label: str
    value: str
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Slow:
    """A slow command as it may be shown: what its arguments say is masked, or left out."""

    at_ms: int
    took: str
    name: str
    words: str
    client: str


@dataclass(frozen=True, slots=True)
class Server:
    """One primary of a Cluster, a line of the table."""

    address: str
    slots: int
    share: str
    #: The hash tag of the prefix brings every queue here.
    holds_all: bool
    trouble: str
    memory: str = ""
    clients: str = ""
    ops: str = ""
    replicas: str = ""
    uptime: str = ""

    @classmethod
    def of(cls, node: Node) -> Server:
        known = (node.address, node.slots, f"{node.share:.0%}", node.holds_all, node.trouble)
        if not node.about.info:
            return cls(*known)
        about = node.about
        used, most = about.number("used_memory"), about.number("maxmemory")
        return cls(
            *known,
            memory=size(used) + (f" / {size(most)}" if most else ""),
            clients=f"{about.number('connected_clients'):,}",
            ops=f"{about.number('instantaneous_ops_per_sec'):,}",
            replicas=str(about.number("connected_slaves")),
            uptime=span(about.number("uptime_in_seconds") * 1000),
        )


@require_safe
async def redis_page(request: Request) -> HttpResponse:
    if not dashboard_options().show_redis:
        raise NotFound(_("The settings of this site leave the Redis page out (show_redis)."))
    connection = known_connection(request)
    found = visible(request, await snapshot(connection))
    shown: dict[str, Any] = {"section": "redis", "where": get_options().connection(connection)}
    if get_options().use_job_queue:
        shown |= await _told(request, connection, list(found.queues))
    return render(request, "redis/page.html", frame(found, **shown))


async def _told(request: Request, connection: str, queues: list[Any]) -> dict[str, Any]:
    try:
        about, nodes = await server(connection), await servers(connection)
        weights = await weighed(connection, queues)
    except RedisUnavailable as error:
        return {"trouble": str(error)}
    may_read = request.grants.sees_all and request.grants.may("job.payload")
    return {
        "about": about,
        "groups": groups(about, bool(nodes)) if about.info else [],
        "nodes": [Server.of(node) for node in nodes],
        "warnings": sentences.of_nodes(nodes) if nodes else sentences.of_server(about) if about.info else [],
        "slow": [_slow(entry, may_read, request.grants.sees_all) for entry in _slowest(about, nodes)],
        "weights": weights,
        "may_read": may_read,
    }


def _slowest(about: About, nodes: tuple[Node, ...]) -> list[SlowCommand]:
    """Of all servers, newest first."""
    logs = [node.about.slow for node in nodes] or [about.slow]
    return sorted((entry for log in logs for entry in log), key=lambda entry: -entry.at_s)[:MOST_SLOW]


def _slow(entry: SlowCommand, may_read: bool, sees_all: bool) -> Slow:
    words = mask_text(" ".join(map(mask_text, entry.words))) if may_read else ""
    words += f" … (+{entry.more})" if entry.more and may_read else ""
    # A worker's connection is named after its queue.
    client = (entry.client or entry.address) if sees_all else ""
    return Slow(entry.at_s * 1000, span(round(entry.took_us / 1000)), entry.name, words, client)


def groups(about: About, has_table: bool = False) -> list[tuple[str, list[Fact]]]:
    """What INFO says, in the order in which one asks; of a Cluster the table of its servers tells of replicas."""
    told = [
        (_("Server"), _server(about)),
        (_("Memory"), _memory(about)),
        (_("Persistence"), _persistence(about)),
        (_("Clients"), _clients(about)),
    ]
    return told if has_table else [*told, (_("Replication"), _replication(about))]


def _server(about: About) -> list[Fact]:
    info = about.info
    name = "Valkey" if "valkey_version" in info else "Redis"
    uptime = span(about.number("uptime_in_seconds") * 1000)
    ops = f"{about.number('instantaneous_ops_per_sec'):,}"
    return [
        Fact(_("Version"), f"{name} {info.get('valkey_version') or info.get('redis_version', '?')}"),
        Fact(_("Mode"), info.get("server_mode") or info.get("redis_mode", "?")),
        Fact(_("System"), info.get("os", "?")),
        Fact(_("Up for"), uptime),
        Fact(_("Commands per second"), ops),
    ]


def _memory(about: About) -> list[Fact]:
    used, most, peak = (about.number(f"{name}") for name in ("used_memory", "maxmemory", "used_memory_peak"))
    policy = about.info.get("maxmemory_policy", "?")
    share = f" ({used / most:.0%})" if most else ""
    fragmentation = about.info.get("mem_fragmentation_ratio", "?")
    return [
        Fact(_("Used"), size(used) + share, sentences.fullness(about), "bad"),
        Fact(_("Ceiling"), size(most) if most else _("none")),
        Fact(_("Peak"), size(peak)),
        Fact(_("Fragmentation"), fragmentation, sentences.fragmentation(about), "slow"),
        Fact(_("Eviction policy"), policy, sentences.eviction(about), "bad"),
        Fact(_("Keys evicted"), f"{about.number('evicted_keys'):,}"),
    ]


def _persistence(about: About) -> list[Fact]:
    info = about.info
    is_aof = info.get("aof_enabled") == "1"
    saved = about.number("rdb_last_save_time")
    facts = [
        Fact(_("Append-only file"), _("on") if is_aof else _("off"), sentences.aof(about), "bad"),
        Fact(_("Last snapshot"), sentences.since(saved), sentences.rdb(about), "bad"),
        Fact(_("Changes since it"), f"{about.number('rdb_changes_since_last_save'):,}"),
        Fact(_("What a crash loses"), sentences.loss(about), sentences.volatile(about), "slow"),
    ]
    if info.get("loading") == "1":
        facts.insert(0, Fact(_("Loading"), _("from disk, now")))
    return facts


def _clients(about: About) -> list[Fact]:
    connected, most = about.number("connected_clients"), about.number("maxclients")
    rejected = about.number("rejected_connections")
    shown = f"{connected:,}" + (_(" of at most %(most)s") % {"most": f"{most:,}"} if most else "")
    return [
        Fact(_("Connected"), shown, sentences.crowd(about), "slow"),
        Fact(_("Blocked (workers that wait)"), f"{about.number('blocked_clients'):,}"),
        Fact(_("Turned away at the ceiling"), f"{rejected:,}", sentences.rejected(about), "bad"),
    ]


def _replication(about: About) -> list[Fact]:
    info, role = about.info, about.info.get("role", "?")
    facts = [Fact(_("Role"), role, sentences.replica(about), "bad")]
    if role == "slave":
        facts.append(Fact(_("Link to its primary"), info.get("master_link_status", "?")))
        facts.append(Fact(_("Heard from it"), span(about.number("master_last_io_seconds_ago") * 1000)))
        return facts
    facts.append(Fact(_("Replicas"), str(about.number("connected_slaves"))))
    return facts + [
        Fact(_("Replica %(number)s") % {"number": at + 1}, info.get(f"slave{at}", "?").replace(",", ", "))
        for at in range(min(about.number("connected_slaves"), 8))
    ]
