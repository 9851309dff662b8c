"""One storm from its beginning to its account."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from pathlib import Path

from tests.eventually import eventually
from tests.faults.storm import account as accounts
from tests.faults.storm.account import Account
from tests.faults.storm.breaking import break_things
from tests.faults.storm.crowd import Crowd
from tests.faults.storm.house import START_S, House
from tests.faults.storm.notices import Notices
from tests.faults.storm.traffic import Traffic
from tests.receiving import receiver

VIEWERS = 6


async def storm(
    folder: Path,
    *,
    seconds: float,
    rate: int,
    seed: int,
    database: str = "sqlite",
    pause_s: float = 2.0,
    brief: bool = False,
) -> Account:
    """Break things for so long under so many jobs a second; what was promised, and what became of it. `brief`: each of
    a few faults once, as short as they can be.
    """
    for noisy in ("httpx", "websockets.client"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    began, house, found = time.monotonic(), House(folder, database), Account()
    try:
        async with receiver() as there:
            await asyncio.to_thread(house.start_processes)
            house.supervise()
            traffic, crowd, notices = Traffic(house, rate, seed), Crowd(house, seed), Notices(house, there)
            await notices.begin()
            await crowd.join(VIEWERS)
            traffic.start()
            done = await break_things(house, random.Random(seed), seconds, pause_s, brief)
            found.figures |= {"database": database, "seed": seed, "rate": rate, "faults": sum(done.values())}
            found.figures["done"] = dict(sorted(done.items()))
            await _settled(house, traffic, crowd, notices, found)
            found.figures["processes started"] = sum(house.starts.values())
            await crowd.end()
    finally:
        await house.close()
    found.figures["minutes"] = round((time.monotonic() - began) / 60, 1)
    return found


async def _settled(house: House, traffic: Traffic, crowd: Crowd, notices: Notices, found: Account) -> None:
    await asyncio.to_thread(traffic.stop)
    await eventually(house.alive, START_S, "everybody lives")
    found.figures["all over after s"] = round(await accounts.over(house, traffic), 1)
    await crowd.leave()
    await notices.end()
    accounts.jobs(house, traffic, found)
    await accounts.mirror(house, found)
    await accounts.crowd(house, crowd, found)
    await accounts.notices(notices, traffic, found)
    await accounts.listeners(house, crowd, traffic, found)
    await accounts.pages(house, crowd, found)
