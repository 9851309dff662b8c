"""Acting where jobs run in the process that adds them: what rows can do is done, the rest says why not."""

from __future__ import annotations

import json

import pytest

from queues.models import Job
from tests.inprocess import in_process  # noqa: F401
from tests.web.planted import text_of
from tests.web.test_acting_pages import fields

pytestmark = [pytest.mark.usefixtures("in_process"), pytest.mark.django_db(transaction=True)]
QUEUE = "/admin/queues/queue/chat"


@pytest.fixture
async def rows(admin) -> dict[str, str]:
    """A job that failed and one that is delayed, as ids."""
    from queues.models.queue import Queue

    await Queue.objects.acreate(connection="in-process", name="chat")
    made = {}
    for state, more in (("failed", {"finished_on_ms": 5, "attempts_made": 1}), ("delayed", {"rank": 2**40})):
        job = Job(connection="in-process", queue="chat", job_id=state, state=state, timestamp_ms=1, name="work")
        job.data, job.opts = '{"n": 12345678901234567890}', '{"attempts": 1}'
        for name, value in more.items():
            setattr(job, name, value)
        await job.asave()
        made[state] = job.job_id
    return made


async def test_data_delay_and_priority_change_in_their_rows(admin, rows):
    form = fields((await admin.get(f"{QUEUE}/failed?form=edit")).content.decode())
    form["data"] = form["data"].replace('"n"', '"m"')
    shown = (await admin.post(f"{QUEUE}/failed?action=edit", form | {"step": "show"}, htmx=True)).content.decode()
    html = (await admin.post(f"{QUEUE}/failed?action=edit", fields(shown) | {"step": "save"}, htmx=True)).content
    assert "was changed" in text_of(html.decode())
    assert "action=undo" not in html.decode()
    job = await Job.objects.aget(job_id="failed")
    assert job.data.split() == ['{"m":', "12345678901234567890}"]
    await admin.post(f"{QUEUE}/delayed?action=reprioritize", {"priority": "4"}, htmx=True)
    await admin.post(f"{QUEUE}/delayed?action=reschedule", {"at": "2031-01-01T00:00:00"}, htmx=True)
    job = await Job.objects.aget(job_id="delayed")
    assert (job.priority, abs(job.rank - 1_924_992_000_000) < 1_000) == (4, True)


async def test_a_stale_edit_overwrites_nothing(admin, rows):
    form = fields((await admin.get(f"{QUEUE}/failed?form=edit")).content.decode())
    await Job.objects.filter(job_id="failed").aupdate(data="[]")
    html = (await admin.post(f"{QUEUE}/failed?action=edit", form | {"step": "save"}, htmx=True)).content.decode()
    assert "was changed while you edited it" in text_of(html)
    assert (await Job.objects.aget(job_id="failed")).data == "[]"


async def test_a_job_is_added_as_it_was_typed(admin, rows):
    form = {"name": "hello", "data": '{"n": 12345678901234567890}', "delay_amount": "5", "delay_unit": "h"}
    answer = await admin.post(QUEUE + "?action=add", form | {"step": "add"})
    assert answer.status_code == 303, text_of(answer.content.decode())
    job = await Job.objects.aget(job_id=answer["Location"].rpartition("/")[2])
    assert (job.data, job.state) == ('{"n": 12345678901234567890}', "delayed")
    assert json.loads(job.opts)["delay"] == 18_000_000


@pytest.mark.parametrize("action", ["fail", "recover", "clear-logs", "remove-children", "cancel"])
async def test_what_is_for_redis_alone_says_so(admin, rows, action):
    answer = await admin.post(f"{QUEUE}/delayed?action={action}", {}, htmx=True)
    assert answer.status_code == 409
    assert "process" in text_of(answer.content.decode())


async def test_a_queue_is_obliterated_by_its_name(admin, rows):
    html = text_of((await admin.get(QUEUE + "?form=obliterate", htmx=True)).content.decode())
    assert "All 2 jobs go" in html
    answer = await admin.post(QUEUE + "?action=obliterate", {"typed": "chat"}, htmx=True)
    assert "HX-Redirect" in answer
    assert not await Job.objects.filter(removed_at__isnull=True).aexists()
