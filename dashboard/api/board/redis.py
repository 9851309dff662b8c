"""What the server tells of itself, as Bull Board's window on it shows."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from dashboard.api.board.refusals import Said
from dashboard.api.board.route import Call
from dashboard.presentation import dashboard_options
from queues.lookups.server import About, server
from queues.models.local import is_in_process


async def stats(call: Call) -> dict[str, Any]:
    if not dashboard_options().show_redis:
        raise Said(403, "FORBIDDEN", _("The settings of this site leave the Redis page out (show_redis)."))
    if is_in_process():
        raise Said(404, "REDIS_STATS_UNAVAILABLE", _("Jobs run in this process: there is no Redis."))
    if not (await call.around()).queues:
        return {}
    about = await server(call.connection)
    if not about.info:
        raise Said(404, "REDIS_STATS_UNAVAILABLE", _("Redis does not let this site ask for INFO."))
    return _told(about)


def _told(about: About) -> dict[str, Any]:
    info, number = about.info, about.number
    return {
        "backend": "redis",
        # Of Valkey the version of Redis that it speaks as: what clients compare with.
        "version": info.get("redis_version", ""),
        "mode": info.get("redis_mode", "standalone"),
        "port": number("tcp_port"),
        "os": info.get("os", ""),
        "uptime": number("uptime_in_seconds"),
        "memory": {
            "total": number("maxmemory") or number("total_system_memory"),
            "used": number("used_memory"),
            "fragmentationRatio": _ratio(info.get("mem_fragmentation_ratio", "")),
            "peak": number("used_memory_peak"),
        },
        "clients": {"connected": number("connected_clients"), "blocked": number("blocked_clients")},
    }


def _ratio(told: str) -> float:
    try:
        return float(told)
    except ValueError:
        return 0.0
