"""What is demanded at the end: each promise with what was found of it."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.eventually import eventually
from tests.faults.storm.crowd import ON_A_SHELF, OTHERS, PAGES, Crowd
from tests.faults.storm.house import QUEUES, House
from tests.faults.storm.notices import Notices
from tests.faults.storm.traffic import Traffic
from tests.ledger import Truth, audit

PATIENCE_S = 240.0
ROWS = """
import json
from django.db.models import Count
from queues.models import AuditEntry, Operation
entries = AuditEntry.objects.filter(queue="desk", action="job.promote").values_list("job_id", "outcome")
operations = Operation.objects.order_by("pk").values_list("queues", "phase", "total", "done", "moved", "stayed")
print(json.dumps([list(entries), list(operations)]))
"""


@dataclass
class Account:
    """`figures` are facts; `broken` are promises that were not kept, each a sentence."""

    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def demand(self, is_kept: bool, sentence: str) -> None:
        if not is_kept:
            self.broken.append(sentence)


async def over(house: House, traffic: Traffic) -> float:
    """Wait until every job that was added has ended; after how many seconds."""
    began = time.monotonic()

    def left() -> int:
        with house.client() as client:
            ends = sum(client.zcard(house.keys(name)(state)) for name in QUEUES for state in ("completed", "failed"))
        return traffic.count - ends

    await eventually(lambda: left() <= 0, PATIENCE_S, "every job has ended")
    return time.monotonic() - began


def jobs(house: House, traffic: Traffic, account: Account) -> None:
    """Nothing lost, nothing stuck, nothing made up, nothing repeated without a kill or a lost lock."""
    with house.client() as client:
        truths = {name: Truth.read(client, house.keys(name).base) for name in QUEUES}
        stuck = [key for name in QUEUES for key in client.scan_iter(house.keys(name).base + b"*:lock", count=10_000)]
    states = {job_id: found for truth in truths.values() for job_id, found in truth.states.items()}
    results = {job_id: value for truth in truths.values() for job_id, value in truth.results.items()}
    added = [job_id for ids in traffic.added.values() for job_id in ids]
    found = audit(house.ledger, Truth(states, results), added, deaths=house.deaths, lost=house.lost())
    wrong = [each for each in added if states.get(each) != [("completed", "failed")[each in traffic.failing]]]
    account.figures |= {
        "jobs": len(added),
        "states": dict(found.states),
        "lost": len(found.unaccounted),
        "made up": len(found.false_completions),
        "repeated": len(found.repeats),
        "repeated without a reason": len(found.unexplained),
        "twice at once": len(found.overlaps),
        "longest recovery s": round(found.recovery_s, 1),
        "longest wait of the producer s": round(traffic.late_s, 1),
    }
    account.demand(found.is_clean, f"the ledger: {found}")
    account.demand(not wrong, f"{len(wrong)} jobs ended otherwise than they should: {wrong[:5]}")
    account.demand(not stuck, f"{len(stuck)} locks are left: {stuck[:5]}")
    account.demand(len(set(added)) == len(added), "an id was acknowledged twice")


async def mirror(house: House, account: Account) -> None:
    """Every row, order and count is what Redis holds."""
    began, told = time.monotonic(), ""
    while time.monotonic() - began < PATIENCE_S:
        told = await _verified(house)
        if json.loads(told)["count"] == 0:
            break
    found = json.loads(told)
    account.figures |= {"mirrored jobs": found["jobs"], "differences": found["count"]}
    account.demand(found["count"] == 0, f"{found['count']} rows differ: {found['differences'][:5]}")


async def _verified(house: House) -> str:
    try:
        return await house.manage("queues", "verify", "--json", "--patience", "10s")
    except AssertionError as error:
        # It ends with a code where something differs; what is printed is the same.
        return "{" + str(error).partition("{")[2].rpartition("}")[0] + "}"


async def crowd(house: House, crowd: Crowd, account: Account) -> None:
    told = json.loads((await house.shell(ROWS))[-1])
    _acted(house, crowd, account, [tuple(entry) for entry in told[0]])
    await _shelved(house, crowd, account, told[1])
    account.figures |= {
        "answers": dict(sorted(crowd.answers.items())),
        "slowest answer s": round(crowd.slowest_s, 1),
    }
    account.demand(not crowd.dishonest, f"{len(crowd.dishonest)} answers that none should give: {crowd.dishonest[:5]}")


def _acted(house: House, crowd: Crowd, account: Account, entries: list[tuple[str, str]]) -> None:
    """Each promotion happened once, and stands in the audit."""
    outcomes: dict[str, Counter[str]] = {}
    for job_id, outcome in entries:
        outcomes.setdefault(job_id, Counter())[outcome] += 1
    with house.client() as client:
        keys = house.keys("desk")
        waiting = {job_id.decode() for job_id in client.lrange(keys("wait"), 0, -1)}
        events = client.xrange(keys("events"))
    moved = Counter(event[b"jobId"].decode() for _, event in events if event[b"event"] == b"waiting")
    unknown = sum(each["opened"] + each["failed"] > 0 and not each["done"] for each in outcomes.values())
    account.figures |= {"acts": len(crowd.asked), "acts asked for": sum(crowd.asked.values()), "rows": len(entries)}
    account.figures["rows that say “unknown”"] = unknown
    account.demand(crowd.granted <= waiting, f"granted, and not done: {sorted(crowd.granted - waiting)[:5]}")
    account.demand(set(moved.values()) <= {1}, f"done twice: {[each for each, n in moved.items() if n > 1][:5]}")
    account.demand(set(moved) <= set(outcomes), f"done without a row: {sorted(set(moved) - set(outcomes))[:5]}")
    silent = [each for each in moved if not outcomes.get(each, Counter())["done"] and each in crowd.granted]
    closed = [each for each in silent if not outcomes.get(each, Counter())["opened"]]
    account.demand(not closed, f"granted, and the row says otherwise: {closed[:5]}")
    twice = [each for each, found in outcomes.items() if found["done"] > 1]
    account.demand(not twice, f"two rows say that they did it: {twice[:5]}")


async def _shelved(house: House, crowd: Crowd, account: Account, operations: list[Any]) -> None:
    """Each shelf was retried by one operation, each job once."""
    names = [f"shelf{number}" for number in range(1, crowd.shelves + 1)]
    with house.client() as client:
        left = {name: client.zcard(house.keys(name)("failed")) for name in names}
        told = {name: client.xrange(house.keys(name)("events")) for name in names}
    begun = Counter(name for queues, *_ in operations for name in json.loads(queues))
    twice = [
        (name, event[b"jobId"])
        for name, events in told.items()
        for event, times in _counted(events).items()
        if times > 1
        for event in ({b"jobId": event},)
    ]
    unfinished = [row for row in operations if row[1] != "done" or row[3] + row[4] + row[5] != row[2]]
    account.figures |= {"operations": len(operations), "jobs of operations": sum(row[3] for row in operations)}
    account.demand(not unfinished, f"operations that did not end: {unfinished[:5]}")
    account.demand(not any(left[name] for name in begun), f"failed jobs left on shelves: {left}")
    account.demand(set(begun.values()) <= {1}, f"begun twice: {begun.most_common(3)}")
    account.demand(not twice, f"retried twice: {twice[:5]}")
    wrong = {name: len(_counted(told[name])) for name in begun if len(_counted(told[name])) != ON_A_SHELF}
    account.demand(not wrong, f"retried of each shelf: {wrong}")


def _counted(events: list[Any]) -> Counter[bytes]:
    return Counter(event[b"jobId"] for _, event in events if event[b"event"] == b"waiting")


async def notices(notices: Notices, traffic: Traffic, account: Account) -> None:
    """Every failure, alert and clearing told under one id."""
    wanted = {job_id for job_id in traffic.added["told"] if job_id in traffic.failing}
    try:
        await eventually(lambda: set(notices.failures()) >= wanted, PATIENCE_S)
    except AssertionError:
        account.demand(False, f"not told: {sorted(wanted - set(notices.failures()))[:5]}")
    told = notices.failures()
    account.figures |= {"webhooks": len(notices.receiver.ids), "sent again under their id": notices.repeated}
    account.figures["alerts"] = notices.cycles
    account.demand(set(told.values()) <= {1}, f"told under two ids: {[each for each, n in told.items() if n > 1][:5]}")
    account.demand(set(told) <= wanted, f"told, and never failed: {sorted(set(told) - wanted)[:5]}")
    fired, cleared = notices.told("alert.fired"), notices.told("alert.cleared")
    account.demand(
        (fired, cleared) == (notices.cycles,) * 2, f"{notices.cycles} alerts: {fired} fired, {cleared} cleared"
    )


async def listeners(house: House, crowd: Crowd, traffic: Traffic, account: Account) -> None:
    """The program heard each ending, or of a gap, and nothing twice; the page shows what Redis holds."""
    program, tab, wanted = crowd.program, crowd.tab, set(traffic.added["told"])
    if not program.gaps:
        try:
            await eventually(lambda: program.ended >= wanted, 60)
        except AssertionError:
            untold = sorted(wanted - program.ended, key=lambda job_id: int(job_id.partition("-")[2]))
            account.demand(False, f"a program was not told of {len(untold)} endings: {untold[:5]} to {untold[-1]}")
    with house.client() as client:
        count = client.zcard(house.keys("told")("completed"))
    try:
        await eventually(lambda: tab.screen.count("told", "completed") == count, 60)
    except AssertionError:
        account.demand(False, f"the page shows {tab.screen.count('told', 'completed')}, Redis holds {count}")
    account.figures |= {
        "a program's connections": program.connections,
        "events told": sum(program.heard.values()),
        "told twice": program.twice,
        "gaps": len(program.gaps),
        "a tab's connections": tab.connections,
    }
    account.demand(program.twice == 0, f"{program.twice} events were told twice")


async def pages(house: House, crowd: Crowd, account: Account) -> None:
    """Every page of both webs, and nobody was started by hand."""
    wrong = []
    for address in house.addresses:
        async with httpx.AsyncClient(base_url=address, cookies=crowd._cookies, timeout=60) as client:
            for page in [*(f"/admin/queues/{path}" for path in PAGES), *OTHERS]:
                answer = await client.get(page)
                if answer.status_code != 200:
                    wrong.append(f"{answer.status_code} {address}{page}")
    account.figures["pages that answer"] = 2 * len(PAGES + OTHERS) - len(wrong)
    account.demand(not wrong, f"pages: {wrong[:5]}")
    account.demand(not house.ended_by_itself, f"ended by themselves: {house.ended_by_itself[:5]}")
    troubles = [name for name in house.names if "Traceback" in house.stand.log(name)]
    account.figures["logs with a traceback"] = troubles
