"""Figures of the past in the shapes of Bull Board's recorder: ours are always kept, by the mirror (docs/metrics.md)."""

from __future__ import annotations

import re
import time
from datetime import date
from typing import Any, Literal, cast

from django.utils.translation import gettext as _

from dashboard.api.board import asked
from dashboard.api.board.refusals import Said, invalid
from dashboard.api.board.route import Call
from dashboard.presentation import dashboard_options
from queues import histogram
from queues.actions.figures import drop_figures
from queues.lookups.buckets import STEPS, Bucket, Times, buckets, recorded_queues, times
from queues.lookups.kept_samples import Kept, all_of, day_of, kept_samples

METRICS = ("completed", "failed", "queueage")
KINDS: dict[str, Literal["run", "wait"]] = {"runtime": "run", "waittime": "wait"}
PERCENTILES = (50.0, 95.0, 99.0)
#: Each is reckoned for each point.
MOST_PERCENTILES = 20
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


async def history(call: Call) -> dict[str, Any]:
    """By the hour, as far back as hours are kept, or by the day."""
    from_ms, to_ms = (asked.moment(call.request, name) for name in ("from", "to"))
    if from_ms is None or to_ms is None or to_ms < from_ms:
        raise invalid("INVALID_DATE_RANGE")
    step = asked.parameter(call.request, "granularity") or "day"
    if step not in STEPS:
        raise invalid("INVALID_GRANULARITY")
    metric = asked.parameter(call.request, "metric")
    if metric and metric not in METRICS:
        raise invalid("INVALID_METRIC")
    queues = await _queues(call)
    found = await buckets(call.connection, queues, cast(Any, step), from_ms / 1000, to_ms / 1000)
    return {name: _points(name, found) for name in ([metric] if metric else METRICS[:2])}


def _points(metric: str, found: list[Bucket]) -> list[dict[str, Any]]:
    field = "oldest_ms" if metric == "queueage" else metric
    values = [(bucket.at * 1000, getattr(bucket, field)) for bucket in found]
    return [{"ts": at, "value": value} for at, value in values if value is not None]


async def latency(call: Call) -> list[dict[str, Any]]:
    """Percentiles in milliseconds, `count` jobs behind each point; `range` is one point for all."""
    kind = KINDS.get(asked.parameter(call.request, "metric"))
    if kind is None:
        raise invalid("INVALID_METRIC")
    from_ms, to_ms = (asked.moment(call.request, name) for name in ("from", "to"))
    from_ms, to_ms = from_ms or 0.0, time.time() * 1000 if to_ms is None else to_ms
    step = asked.parameter(call.request, "granularity")
    step = step if step in ("hour", "range") else "day"
    wanted = [asked.number(each.strip()) for each in asked.parameter(call.request, "percentiles").split(",")]
    shares = sorted({share for share in wanted if share is not None and 0 <= share <= 100}) or PERCENTILES
    if len(shares) > MOST_PERCENTILES:
        raise invalid("INVALID_QUERY_PARAM", field="percentiles")
    found = await times(call.connection, await _queues(call), kind, step, from_ms / 1000, to_ms / 1000)
    return [_latency(point, list(shares)) for point in found]


def _latency(point: Times, shares: list[float]) -> dict[str, Any]:
    told = histogram.percentiles(point.counted, [share / 100 for share in shares])
    values = {f"{share:g}": round(ms, 3) for share, ms in zip(shares, told, strict=True) if ms is not None}
    return {"ts": point.at * 1000, "count": sum(point.counted.values()), "values": values}


async def usage(call: Call) -> dict[str, Any]:
    """`keys` are rows in the database; `bytes` what they take, about."""
    _require_shown()
    found = [kept for kept in await kept_samples(call.connection) if call.grants.sees(kept.queue)]
    total = all_of(found)
    days = {"oldestDay": day_of(total.first), "newestDay": day_of(total.last)}
    return _sizes(total) | days | {"queues": [_queue(kept) for kept in found]}


def _sizes(kept: Kept) -> dict[str, Any]:
    tiers = {name: {"keys": tier.rows, "bytes": tier.bytes} for name, tier in kept.tiers.items()}
    return {"keys": kept.rows, "bytes": kept.bytes, "minutes": kept.minutes, "tiers": tiers}


def _queue(kept: Kept) -> dict[str, Any]:
    days = [day for day in (day_of(kept.first), day_of(kept.last)) if day]
    return {"queue": kept.queue, **_sizes(kept), "days": sorted(set(days))}


async def purge(call: Call) -> dict[str, Any]:
    """Of one queue, or of all for whoever may do it to all. A request that says nothing drops nothing."""
    sent = asked.body(call.request, is_needed=True)
    queue, before = sent.get("queue"), sent.get("before")
    if queue is not None and not isinstance(queue, str):
        raise invalid("INVALID_QUEUE")
    if queue:
        call.grants.require_sight(queue)
    (call.grants.on(queue) if queue else call.grants).require("metrics.purge")
    day = None if before is None else _day(before)
    done = await drop_figures(call.actor, call.connection, queue or "", day)
    if not done.is_through:
        raise Said(503, "INTERNAL_SERVER_ERROR", _("Not all was dropped yet: ask again."), code="NOT_FINISHED")
    return {"keysDeleted": done.rows, "fieldsDeleted": done.minutes}


def _day(told: Any) -> date:
    try:
        if isinstance(told, str) and _DAY.fullmatch(told):
            return date.fromisoformat(told)
    except ValueError:
        pass
    raise invalid("INVALID_BEFORE_DATE")


async def _queues(call: Call) -> list[str]:
    """The one that is named, or all that are recorded, as far as the caller sees them."""
    _require_shown()
    named = asked.parameter(call.request, "queue")
    if named:
        return [named] if call.grants.sees(named) else []
    return await recorded_queues(call.connection, call.grants.sees)


def _require_shown() -> None:
    if not dashboard_options().show_metrics:
        raise Said(403, "FORBIDDEN", _("The settings of this site leave metrics out (show_metrics)."))
