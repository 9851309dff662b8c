"""What was done to a job and how its attempts went, on its page, for who may read it: also when Redis has forgotten."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime

import pytest

from queues.models import Attempt, AuditEntry, Job
from tests.web.planted import plant_job, text_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
QUEUE = "/admin/queues/queue/chat"


async def past(browser, job_id: str = "7") -> str:
    answer = await browser.get(f"{QUEUE}/{job_id}")
    assert answer.status_code == 200, answer.content
    return re.search(r'<ol class="timeline".*?</ol>', answer.content.decode(), re.DOTALL)[0]


async def deed(action: str, at_ms: int, job_id: str = "7", outcome: str = "done", **told: object) -> None:
    entry = await AuditEntry.objects.acreate(
        actor="ana", action=action, queue="chat", job_id=job_id, outcome=outcome, parameters=json.dumps(told)
    )
    await AuditEntry.objects.filter(pk=entry.pk).aupdate(at=datetime.fromtimestamp(at_ms / 1000, UTC))


async def test_what_people_did_stands_in_its_place_with_its_difference(
    admin, operator, viewer, connection, client_of_redis, prefix
):
    now = int(time.time() * 1000)
    times = {"timestamp": now - 100_000, "processedOn": now - 30_000, "finishedOn": now - 20_000}
    plant_job(client_of_redis, prefix, "chat", "7", **times, failedReason="no", stacktrace="[]", atm=1, ats=1)
    edit = '-  "n": 1\n+  "n": 2 <b>'
    await deed("job.edit", now - 90_000, difference=edit)
    await deed("job.reprioritize", now - 80_000, before={"priority": 5}, after={"priority": 1})
    await deed("job.retry", now - 70_000, outcome="refused")
    await deed("queue.retry_selected", now - 60_000, job_id="", ids=["6", "7"], count=2)
    await deed("queue.retry_selected", now - 55_000, job_id="", ids=["6"], count=1)
    await deed("job.reveal", now - 50_000)
    await deed("job.edit", now - 900_000, difference="of an earlier life of this id")
    told = await past(operator)
    labels = [text_of(found) for found in re.findall(r'<span class="what">(.*?)</span>', told)]
    assert labels == [
        "Added",
        "Data changed by ana",
        "Priority changed by ana",
        "Retried by ana",
        "Retried by ana",
        "Attempt 1 started",
        "Failed for good",
    ]
    assert "5 → 1" in told
    assert "refused" in told
    assert "with 1 other job" in text_of(told)
    assert "&lt;b&gt;" in told
    assert "What was changed" in told
    # A viewer may read what jobs carry, but not who did what.
    told = await past(viewer)
    assert "ana" not in told
    assert "What was changed" not in told


async def test_attempts_of_a_job_that_redis_forgot_are_shown_with_those_of_before(viewer, connection):
    start = int(time.time() * 1000) - 10_000_000
    job = await Job.objects.acreate(
        queue="chat", job_id="7", name="reply", timestamp_ms=start, state="completed", opts='{"attempts":3}',
        attempts_made=2, attempts_started=2, processed_on_ms=start + 9_000, finished_on_ms=start + 9_500,
        removed_at=datetime.now(UTC),
    )  # fmt: skip
    for number, offset, worker, outcome, error in [
        (1, 1_000, "web-1", "failed", "Error: before"),
        (1, 5_000, "web-2", "failed", "Error: password=hunter2hunter2"),
        (2, 9_000, "web-3", "completed", ""),
    ]:
        await Attempt.objects.acreate(
            row=job, number=number, started_ms=start + offset, ended_ms=start + offset + 500,
            worker=worker, outcome=outcome, error=error,
        )  # fmt: skip
    told = text_of(await past(viewer))
    assert "Attempt 1 failed on web-1" in told
    assert "before its attempts were counted anew" in told
    # Until its very first start, not until that of the new count.
    assert "waited 1.0 s" in told
    assert "Error: before" in told
    assert "Attempt 1 failed on web-2" in told
    assert told.index("web-1") < told.index("web-2")
    assert "hunter2" not in told
    assert told.index("web-2") < told.index("Completed")
