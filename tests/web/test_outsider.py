"""The dashboard as an attacker meets it: looking changes nothing; every act asks for session, token and permission."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

import pytest
import redis

from queues.models import AuditEntry
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE, JOB = "/admin/queues/queue/chat", "/admin/queues/queue/chat/1"
#: Every address that a button of the dashboard posts to.
ACTS = [f"{QUEUE}?action={name}" for name in ("pause", "resume")]
ACTS += [
    f"{QUEUE}?action={name}&status={state}"
    for name, state in (("retry-all", "failed"), ("clean", "failed"), ("promote-all", "delayed"), ("drain", "waiting"))
]
ACTS += [f"{JOB}?action={name}" for name in ("retry", "promote", "remove")]
ACTS += ["/admin/queues/queue?name=chat&action=pause", "/admin/queues/queue?name=chat&id=1&action=remove"]
#: What the forms of those buttons carry.
FORM = {"state": "failed", "before": "99999999999999", "grace": "0", "confirm": "yes"}
PAGES = [
    "/",
    "/admin/queues",
    "/admin/queues/",
    "/admin/queues/?q=ch",
    QUEUE,
    f"{QUEUE}?status=failed&page=2",
    f"{QUEUE}?confirm=retry-all&status=failed",
    f"{QUEUE}?confirm=clean&status=failed",
    f"{QUEUE}?confirm=drain&status=waiting",
    f"{QUEUE}?confirm=promote-all&status=delayed",
    JOB,
    f"{JOB}?fragment=job",
    f"{JOB}?field=data",
    "/admin/queues/queue?name=chat&id=1",
    "/livez",
    "/readyz",
    "/sign-in",
    "/sign-out",
    "/admin/logout/",
]


@pytest.fixture
async def everything(
    connection: str, client_of_redis: redis.Redis, prefix: str
) -> Callable[[], dict[bytes, bytes | None]]:
    """A queue with jobs in several states; calling it gives all that Redis holds under this prefix."""
    plant_failed(client_of_redis, prefix, "chat", 3)
    await plant_waiting(connection, "chat", 2)
    await plant_delayed(connection, "chat", 2)

    def held() -> dict[bytes, bytes | None]:
        return {key: client_of_redis.dump(key) for key in client_of_redis.scan_iter(f"{prefix}:*")}

    return held


def strict(browser: Browser) -> Browser:
    """The same visitor as a browser that is held to its CSRF tokens."""
    held_to_it = Browser(enforce_csrf_checks=True)
    held_to_it.cookies = browser.cookies
    return held_to_it


async def test_looking_changes_nothing(admin, everything):
    before = everything()
    for path in (*PAGES, *ACTS):
        for method in (admin.get, admin.head, admin.options):
            assert (await method(path)).status_code < 500, path
        assert (await admin.get(path, htmx=True)).status_code < 500, path
    assert everything() == before
    assert not await AuditEntry.objects.aexists()
    assert (await admin.get("/admin/queues/")).status_code == 200


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
async def test_only_post_acts(admin, everything, method):
    before = everything()
    for path in ACTS:
        assert (await getattr(admin, method)(path)).status_code in (403, 405), path
    assert everything() == before


async def test_a_post_without_its_token_changes_nothing(admin, everything):
    before = everything()
    for path in ACTS:
        for headers in ({}, {"X-CSRFToken": "a" * 32}, {"Sec-Fetch-Site": "same-origin"}):
            assert (await strict(admin).post(path, FORM, headers=headers)).status_code == 403, path
        assert (await strict(admin).post(path, FORM, content_type="application/json")).status_code == 403, path
        assert (await strict(admin).post(path, b"x=1", content_type="text/plain")).status_code == 403, path
    assert everything() == before
    assert not await AuditEntry.objects.aexists()


async def test_a_post_with_a_token_from_another_site_changes_nothing(admin, everything):
    before = everything()
    browser = strict(admin)
    await browser.get("/admin/queues/")
    token = browser.cookies["toril_csrf"].value
    for origin in (
        "https://evil.example",
        "null",
        "http://testserver.evil.example",
        "https://testserver",
        "http://testserver:81",
    ):
        for path in ACTS:
            answer = await browser.post(path, FORM | {"csrfmiddlewaretoken": token}, headers={"Origin": origin})
            assert answer.status_code == 403, (origin, path)
    assert everything() == before
    answer = await browser.post(ACTS[0], FORM | {"csrfmiddlewaretoken": token}, headers={"Origin": "http://testserver"})
    assert answer.status_code == 303
    assert everything() != before


async def test_who_may_not_act_changes_nothing(anonymous, stranger, viewer, everything):
    before = everything()
    for path in ACTS:
        for htmx in (False, True):
            assert (await anonymous.post(path, FORM, htmx=htmx)).status_code in (302, 401), path
            assert (await stranger.post(path, FORM, htmx=htmx)).status_code == 403, path
            assert (await viewer.post(path, FORM, htmx=htmx)).status_code == 403, path
    assert everything() == before
    assert not await AuditEntry.objects.aexists()


async def test_an_operator_removes_nothing(operator, everything):
    before = everything()
    for path in ACTS:
        if any(verb in path for verb in ("remove", "clean", "drain")):
            assert (await operator.post(path, FORM)).status_code == 403, path
    assert everything() == before


@pytest.mark.parametrize("action", ["", "explode", "__class__", "retry ", "RETRY", "a" * 10_000, "retry\x00"])
async def test_an_action_that_does_not_exist_is_refused(admin, everything, action):
    before = everything()
    for path in (QUEUE, JOB):
        answer = await admin.post(path, FORM, query_params={"action": action})
        assert answer.status_code == 400, path
    assert everything() == before


async def test_another_connection_cannot_be_made_up(admin, everything):
    before = everything()
    for name in ("nope", "redis://evil.example", "../default", "DEFAULT", "a" * 5_000):
        for path in (QUEUE, JOB, "/admin/queues/"):
            answer = await admin.post(path, FORM, query_params={"action": "pause", "connection": name})
            assert answer.status_code in (404, 405), path
            page = await admin.get(path, query_params={"connection": name})
            assert page.status_code == 404
            assert 'href="/admin/queues/"' in page.content.decode(), "the way out leads into the same error"
    assert everything() == before


@pytest.fixture
def odd_queries() -> Iterator[str]:
    numbers = ["-1", "0", "99999999999999999999999", "1e9", "NaN", "٣", "", "1;2", "a" * 3_000, "%00", "%ff", "0x1"]
    return (
        f"{name}={value}"
        for name in ("page", "per_page", "status", "jobsPerPage", "before", "grace")
        for value in numbers
    )


async def test_no_query_makes_a_page_fall(admin, everything, odd_queries):
    # Five, which no other of these numbers divides: each meets each in turn.
    suffixes = cycle(("", "&confirm=clean", "&fragment=job", "&show=data", "&show=options"))
    for query in odd_queries:
        for path in (QUEUE, JOB, "/admin/queues/"):
            suffix = next(suffixes)
            assert (await admin.get(f"{path}?{query}{suffix}")).status_code < 500, (path, query, suffix)


async def test_too_many_parameters_are_refused_and_the_page_can_still_be_drawn(admin):
    answer = await admin.get("/admin/queues/?" + "&".join(f"a{n}=1" for n in range(1_500)))
    assert answer.status_code == 400
    assert "<html" in answer.content.decode()
