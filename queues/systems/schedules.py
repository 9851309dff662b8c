"""What the scan service runs by the clock, made up: upserted, so that a second start changes nothing."""

from __future__ import annotations

from queues import queue

SITE = {"url": "https://shop.example.com", "userId": "user_service", "plan": "standard"}


async def schedule() -> None:
    """Put the sample schedulers into Redis. Raises RedisUnavailable, RedisRefused."""
    scans = queue("scan")
    await scans.upsert_scheduler(
        "uptime-check", every_ms=120_000, name="scan", data={**SITE, "scanId": "scan-uptime"}, priority=5
    )
    await scans.upsert_scheduler(
        "nightly-rescan",
        pattern="30 2 * * *",
        tz="Europe/Berlin",
        name="scan",
        data={**SITE, "scanId": "scan-nightly", "url": "https://docs.example.com"},
        priority=5,
    )
    await queue("webhooks").upsert_scheduler(
        "weekly-digest",
        pattern="0 9 * * MON",
        tz="America/New_York",
        name="deliver",
        data={"deliveryId": "digest", "url": "https://hooks.example.net/digest", "event": "digest", "payload": {}},
    )
