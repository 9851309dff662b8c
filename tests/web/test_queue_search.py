"""Filtering, sorting and choosing columns of a list: in the address, bounded, said in a sentence, never an oracle."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

import pytest

from queues.lookups import scan as scanning
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, cells, is_inert, plant_evil, plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"


async def page(browser, path: str, **kwargs) -> str:
    answer = await browser.get(path, **kwargs)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


@pytest.fixture
def mixed(connection, client_of_redis, prefix) -> None:
    for n in range(8):
        reason = f"KeyError: {n}" if n % 2 else f"TimeoutError: {n}"
        name = ("mail", "scan")[n % 2]
        plant_job(client_of_redis, prefix, "chat", f"a{n}", name=name, failedReason=reason, atm=n, data=f'{{"n":{n}}}')


async def test_a_filter_narrows_the_list_and_says_among_what(viewer, mixed):
    html = await page(viewer, QUEUE + "?status=failed&job=MAIL&attempts=%3E%3D3")
    assert sorted(cells(html)) == ["a4", "a6"]
    assert "2 of all 8 failed jobs: named like “MAIL”, with attempts ≥ 3." in text_of(html)
    assert 'name="job" value="MAIL"' in html
    assert cells(await page(viewer, QUEUE + "?status=failed&text=keyerror%3A+3")) == ["a3"]
    assert "older than 1 h 30 min" in text_of(await page(viewer, QUEUE + "?status=failed&older=90min"))
    assert cells(await page(viewer, QUEUE + "?status=failed&prefix=a7")) == ["a7"]
    assert "No job fits" in text_of(await page(viewer, QUEUE + "?status=failed&job=nothing"))


async def test_it_survives_paging_sorting_and_what_is_done_to_a_line(operator, mixed):
    html = await page(operator, QUEUE + "?status=failed&job=mail&jobsPerPage=1")
    (following,) = re.findall(r'href="([^"]*)" rel="next"', html)
    assert "job=mail" in following
    assert "page=2" in following
    (sorting,) = re.findall(r'<a href="([^"]*sort=-ran[^"]*)"', html)
    assert "job=mail" in sorting
    assert 'name="back" value="status=failed&amp;jobsPerPage=1&amp;job=mail"' in html
    answer = await operator.post(f"{QUEUE}/a0?action=retry", {"back": "status=failed&job=mail"})
    assert answer["Location"].endswith("status=failed&job=mail")


async def test_a_bounded_search_says_so_and_goes_on(viewer, connection, client_of_redis, prefix, monkeypatch):
    plant_failed(client_of_redis, prefix, "chat", 1_200)
    plant_job(client_of_redis, prefix, "chat", "rare", name="rare")
    client_of_redis.zadd(f"{prefix}:chat:failed", {"rare": 5})
    monkeypatch.setattr(scanning, "MOST_S", 0.0)
    html = await page(viewer, QUEUE + "?status=failed&job=rare")
    assert "0 of the newest 500 of 1,201 failed jobs" in text_of(html)
    for _ in range(2):
        (further,) = re.findall(r'<a class="btn plain" href="([^"]*after=[^"]*)">Continue', html)
        html = await page(viewer, unescape(further))
    assert cells(html) == ["rare"]
    assert "the failed jobs 1,001 to 1,201 of 1,201" in text_of(html)
    assert ">Continue<" not in html
    assert "Back to the beginning" in html


async def test_sorting_by_a_column_says_among_what(viewer, mixed):
    html = await page(viewer, QUEUE + "?status=failed&sort=-attempts")
    assert cells(html) == [f"a{n}" for n in range(7, -1, -1)]
    assert "Sorted among all 8 failed jobs." in text_of(html)
    assert 'aria-sort="descending"' in html
    reverse = await page(viewer, QUEUE + "?status=failed&sort=reverse")
    assert "Sorted among" not in text_of(reverse)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("attempts=many", "“many” does not say how many attempts"),
        ("older=soon", "“soon” is no length of time for older"),
        ("newer=5y", "“5y” is no length of time for newer"),
        ("sort=<b>", "Jobs cannot be sorted by “<b>”"),
        ("job=x&after=nowhere", "“nowhere” is no place to go on from"),
        ("text=" + "z" * 100_000, "is too long to filter by"),
    ],
)
async def test_what_cannot_be_understood_narrows_nothing_and_is_named(viewer, mixed, query, said):
    html = await page(viewer, f"{QUEUE}?status=failed&{quote(query, safe='=&')}")
    assert said in text_of(html)
    assert len(cells(html)) == (0 if query.startswith("job=x") else 8)
    assert "<b>”" not in html


async def test_secrets_are_searched_for_by_those_alone_who_may_see_them(
    viewer, admin, connection, client_of_redis, prefix
):
    held = '{"password":"hunter2-and-more","plain":"lettuce"}'
    plant_job(client_of_redis, prefix, "chat", "1", data=held, failedReason="token=hunter2-and-more refused")
    found = {}
    for who, browser in (("viewer", viewer), ("admin", admin)):
        for text in ("hunter2", "lettuce"):
            html = await page(browser, f"{QUEUE}?status=failed&text={text}")
            found[who, text] = cells(html)
            assert "hunter2-and-more" not in html
    assert found["admin", "hunter2"] == found["admin", "lettuce"] == found["viewer", "lettuce"] == ["1"]
    assert found["viewer", "hunter2"] == []


async def test_who_may_not_read_payloads_sees_and_searches_none(connection, client_of_redis, prefix):
    looker = await signed_in("looker", "view")
    plant_job(client_of_redis, prefix, "chat", "1", failedReason="Boom in the cellar", data='"cellar"', progress="42")
    html = await page(looker, f"{QUEUE}?status=failed&text=cellar&sort=error&columns=error,progress,attempts")
    assert cells(html) == ["1"]
    assert "Boom" not in html
    assert "42 %" not in html
    assert text_of(html).count("may not read what jobs hold") == 2
    more = await page(looker, f"{QUEUE}?status=failed&expand=1", htmx=True)
    assert "cellar" not in more
    assert "may not read" in more


# --- columns


async def test_columns_are_chosen_by_the_address_or_by_the_cookie(viewer, mixed):
    head = r"<th scope=\"col\"[^>]*>(?:<a [^>]*>)?([A-Z][a-z ]+)"
    html = await page(viewer, QUEUE + "?status=failed&columns=worker&columns=added&columns=nonsense")
    assert re.findall(head, html)[2:] == ["Worker", "Added"]
    assert "columns=worker%2Cadded" in html
    viewer.cookies["toril_columns"] = "failed.added.<b>~waiting.delay~bogus.x"
    html = await page(viewer, QUEUE + "?status=failed")
    assert re.findall(head, html)[2:] == ["Added"]
    assert "&amp;columns=" not in html
    viewer.cookies["toril_columns"] = "~" * 5_000
    assert "Waited" in await page(viewer, QUEUE + "?status=failed")


# --- unfolding


async def test_a_line_unfolds_to_its_error_data_and_options(viewer, connection, client_of_redis, prefix):
    plant_job(
        client_of_redis,
        prefix,
        "chat",
        "a/b",
        data='{"password":"hunter2","n":1}',
        opts='{"attempts":5,"backoff":{"type":"exponential","delay":1000},"removeOnComplete":true}',
        stacktrace='["Error: first", "Error: last\\n  at run"]',
        parentKey="bull:up:1",
    )
    html = text_of(await page(viewer, f"{QUEUE}?status=failed&expand=a%2Fb", htmx=True))
    assert "Error: last at run" in html
    assert "hunter2" not in html
    assert "5 attempts, backing off exponential from 1.0 s, removed when completed" in html
    for odd in ("nope", "meta", ""):
        assert (await viewer.get(f"{QUEUE}?status=failed&expand={odd}", htmx=True)).status_code == 404


async def test_a_line_unfolds_to_why_its_job_waits(viewer, connection, client_of_redis, prefix):
    first, second = await plant_waiting(connection, "chat", 2)
    client_of_redis.hset(f"{prefix}:chat:{second}", "defa", "stalled at db-7")
    html = text_of(await page(viewer, f"{QUEUE}?status=waiting&expand={first}", htmx=True))
    assert "No live worker serves this queue; it is the next to run." in html
    looker = await signed_in("looker", "view")
    html = text_of(await page(looker, f"{QUEUE}?status=waiting&expand={second}", htmx=True))
    assert "The worker that takes it will fail it at once; " in html
    assert "behind 1 job" in html
    (later,) = await plant_delayed(connection, "chat")
    assert "Due in 59 min" in text_of(await page(viewer, f"{QUEUE}?status=delayed&expand={later}", htmx=True))
    assert "db-7" not in html + text_of(await page(looker, f"{QUEUE}/{second}"))


async def test_a_line_of_a_running_job_is_not_told_to_be_lost(viewer, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    client_of_redis.lmove(f"{prefix}:chat:wait", f"{prefix}:chat:active")
    client_of_redis.set(f"{prefix}:chat:1:lock", "token")
    assert "lost" not in text_of(await page(viewer, f"{QUEUE}?status=active&expand=1", htmx=True))
    client_of_redis.delete(f"{prefix}:chat:1:lock")
    assert "Its worker has lost it" in text_of(await page(viewer, f"{QUEUE}?status=active&expand=1", htmx=True))


async def test_a_large_job_unfolds_without_being_read(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", "1", data='"' + "x" * 5_000_000 + '"')
    before = client_of_redis.info("stats")["total_net_output_bytes"]
    html = text_of(await page(viewer, f"{QUEUE}?status=failed&expand=1", htmx=True))
    assert client_of_redis.info("stats")["total_net_output_bytes"] - before < 100_000
    assert "Its data is 4.8 MB" in html


async def test_markup_in_a_job_stays_text_wherever_it_is_shown(admin, connection, client_of_redis, prefix):
    queue = quote(plant_evil(client_of_redis, prefix), safe="")
    here = f"/admin/queues/queue/{queue}?status=failed"
    evil = quote(EVIL, safe="")
    for more in (f"&expand={evil}", f"&job={evil}&prefix={evil}&text={evil}", "&about=1", "&status=latest"):
        assert is_inert(await page(admin, here + more))
    answer = await admin.post(f"{here}&action=selected", {"id": EVIL, "do": "remove"}, htmx=True)
    assert is_inert(answer.content.decode())
    assert EVIL in unescape(answer.content.decode())


async def test_what_else_there_is_to_know_of_a_queue(viewer, settings, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    client_of_redis.zadd(f"{prefix}:chat:repeat", {"nightly": 1})
    html = await page(viewer, QUEUE)
    assert "Schedulers (1)" in text_of(html)
    about = text_of(await page(viewer, QUEUE + "?fragment=about", htmx=True))
    assert "1 attempt" in about
    assert "no rate limit" in about
    assert "Connected workers none" in about
    assert "Connected workers none" in text_of(await page(viewer, QUEUE + "?about=1"))


async def test_a_queue_is_called_what_the_settings_call_it(viewer, settings, connection, client_of_redis, prefix):
    from queues.options import reset_options

    plant_failed(client_of_redis, prefix, "chat", 1)
    settings.TORIL = settings.TORIL | {"DASHBOARD": {"queues": {"chat": {"title": "Talk <b>", "description": "Words"}}}}
    reset_options()
    html = await page(viewer, QUEUE)
    assert "Talk <b> chat" in text_of(html.split("<h1>")[1].split("</h1>")[0])
    assert "Words" in text_of(await page(viewer, QUEUE + "?fragment=about", htmx=True))
