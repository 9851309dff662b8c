"""What went wrong reaches people as a page, htmx as a fragment, programs as JSON; and never more than it should say."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User

from tests.web.browser import Browser

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]
STATUSES = {
    "toril": 500,
    "gone": 404,
    "changed": 409,
    "redis": 503,
    "bug": 500,
    "database": 503,
    "404": 404,
    "403": 403,
    "400": 400,
}


@pytest.fixture
async def viewer(viewer: Browser) -> Browser:
    viewer.raise_request_exception = False
    return viewer


@pytest.mark.parametrize(("how", "status"), STATUSES.items())
async def test_each_error_has_its_status_in_every_form(viewer, how, status):
    page = await viewer.get(f"/fails/{how}")
    part = await viewer.get(f"/fails/{how}", htmx=True)
    told = await viewer.get(f"/fails/{how}", headers={"Accept": "application/json"})
    assert [page.status_code, part.status_code, told.status_code] == [status] * 3
    assert "<html" in page.content.decode()
    assert "<html" not in part.content.decode()
    assert told.json()["error"]["message"]
    for answer in (page, part, told):
        assert b"secret detail" not in answer.content
        assert b"Traceback" not in answer.content


async def test_the_sentence_of_the_error_is_shown_and_its_markup_is_text(viewer):
    for answer in (await viewer.get("/fails/gone"), await viewer.get("/fails/gone", htmx=True)):
        shown = answer.content.decode()
        assert "“&lt;7&gt;”" in shown
        assert "<7>" not in shown
    told = await viewer.get("/fails/gone", headers={"Accept": "application/json"})
    assert told.json() == {
        "error": {"code": "job_not_found", "message": "Queue “chat” has no job “<7>”; it may have been removed."}
    }


async def test_a_fragment_is_put_where_notices_are_and_leaves_what_was_clicked(viewer):
    answer = await viewer.post("/fails/changed", htmx=True)
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#notices", "innerHTML")


@pytest.mark.parametrize("headers", [{"HX-Request-Type": "full"}, {"HX-History-Restore-Request": "true"}])
async def test_htmx_asking_for_a_whole_page_gets_a_whole_page(viewer, headers):
    assert "<html" in (await viewer.get("/fails/gone", htmx=True, headers=headers)).content.decode()


@pytest.mark.parametrize("how", ["bug", "toril"])
async def test_an_unexpected_error_tells_an_id_that_the_log_knows(viewer, caplog, how):
    page = (await viewer.get(f"/fails/{how}")).content.decode()
    error_id = re.search(r"under ([0-9a-f]{8})", page)
    assert error_id
    records = [record for record in caplog.records if error_id[1] in str(record.msg)]
    assert len(records) == 1
    assert "secret detail" in str(records[0].msg)


async def test_a_page_that_cannot_be_drawn_is_still_an_answer(viewer, settings, monkeypatch):
    from dashboard import errors

    monkeypatch.setattr(errors, "render_to_string", None)
    answer = await viewer.get("/fails/redis")
    assert answer.status_code == 503
    assert "Redis does not answer." in answer.content.decode()


async def test_an_address_that_does_not_exist_is_not_found(viewer):
    for path in ("/nothing", "/admin/queues/nothing", "/admin/queues/queue/a/b/c"):
        answer = await viewer.get(path)
        assert answer.status_code == 404
        assert "nothing at this address" in answer.content.decode()


async def test_a_form_without_its_token_changes_nothing_and_says_what_to_do(settings):
    user = await User.objects.acreate_user("ada", is_staff=True, is_superuser=True)
    strict = Browser(enforce_csrf_checks=True)
    await strict.aforce_login(user)
    for htmx in (False, True):
        answer = await strict.post("/acts", htmx=htmx)
        assert answer.status_code == 403
        assert "Reload it" in answer.content.decode()
    assert (await strict.post("/exempt")).status_code == 200


async def test_a_body_that_is_too_large_is_refused(anonymous):
    strict = Browser(enforce_csrf_checks=True)
    await strict.get("/sign-in")
    for browser in (anonymous, strict):
        assert (await browser.post("/sign-in", {"username": "a" * 1_100_000})).status_code == 400


async def test_errors_are_never_stored(viewer):
    for how in STATUSES:
        assert (await viewer.get(f"/fails/{how}"))["Cache-Control"] == "no-store"
