"""Who may see and who may act, on every address, before any view runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from dashboard.access import OPEN
from dashboard.credentials.paths import is_program
from dashboard.grants import PERMISSIONS, Grants
from queues.abilities import ABILITIES, ACTIONS, ROLES
from queues.actions.actor import Actor
from tests.web.browser import Browser
from tests.web.conftest import signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]


async def grants(browser: Browser) -> dict:
    return (await browser.get("/grants")).json()


# --- to see


async def test_an_anonymous_visitor_is_sent_to_sign_in_and_back(anonymous):
    answer = await anonymous.get("/admin/queues/queue/a%2Fb?status=failed&action=pause")
    assert answer.status_code == 302
    target = urlsplit(answer["Location"])
    assert target.path == "/sign-in"
    assert parse_qs(target.query)["next"] == ["/admin/queues/queue/a%2Fb?status=failed"]


async def test_htmx_sends_the_whole_page_to_sign_in(anonymous):
    headers = {"HX-Current-URL": "http://testserver/admin/queues/queue/chat?status=failed"}
    answer = await anonymous.get("/admin/queues/queue/chat?fragment=list", htmx=True, headers=headers)
    assert answer.status_code == 401
    target = urlsplit(answer["HX-Redirect"])
    assert target.path == "/sign-in"
    assert parse_qs(target.query)["next"] == ["/admin/queues/queue/chat?status=failed"]
    assert b"password" not in answer.content


@pytest.mark.parametrize("told", ["https://evil.example/x", "//evil.example", "javascript:1", "", "not a url"])
async def test_htmxs_word_for_where_it_is_leads_nowhere_else(anonymous, told):
    answer = await anonymous.get("/admin/queues/", htmx=True, headers={"HX-Current-URL": told})
    assert answer["HX-Redirect"] == "/sign-in?next=%2Fadmin%2Fqueues%2F"


async def test_a_program_gets_json_instead_of_a_form(anonymous):
    answer = await anonymous.get("/admin/queues/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "signed_out")


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch", "head", "options"])
@pytest.mark.parametrize(
    "path", ["/admin/queues", "/admin/queues/queue/a/1", "/admin/", "/grants", "/exempt", "/no/such/thing"]
)
async def test_nothing_answers_a_stranger_whatever_the_method(anonymous, stranger, path, method):
    assert (await getattr(anonymous, method)(path)).status_code in (302, 401)
    assert (await getattr(stranger, method)(path)).status_code == 403


def routes(before: str, resolver: URLResolver) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        path = before + re.sub(r"<[^>]+>|\(\?P.*\)\$?", "1", str(pattern.pattern)).lstrip("^")
        if isinstance(pattern, URLResolver):
            yield from routes(path, pattern)
        else:
            yield path


async def test_every_route_of_the_site_is_closed_but_those_that_are_named(anonymous):
    paths = [path for path in routes("/", get_resolver("dashboard.urls")) if not is_program(path)]
    assert len(paths) > 80
    for path in paths:
        if path not in OPEN:
            assert (await anonymous.get(path)).status_code == 302, path
    providers = {"/sign-in/provider", "/sign-in/provider/back"}
    assert providers | {"/sign-in", "/livez", "/readyz", "/favicon.ico", "/admin/queues/theme.css"} == OPEN


@pytest.mark.parametrize(
    "path", ["/sign-in/", "/sign-in/x", "//sign-in", "/livez/", "/LIVEZ", "/static", "/livez;x", "/livez%2f"]
)
async def test_what_only_looks_like_an_open_path_is_closed(anonymous, path):
    answer = await anonymous.get(path)
    assert answer["Location"].startswith("/sign-in?")


async def test_staff_may_see(viewer):
    assert (await viewer.get("/admin/queues")).status_code == 200


async def test_a_stranger_is_told_in_a_fragment_or_in_a_page(stranger):
    page = (await stranger.get("/admin/queues/")).content.decode()
    part = (await stranger.get("/admin/queues/", htmx=True)).content.decode()
    assert "not marked as staff" in page
    assert "not marked as staff" in part
    assert "<html" in page
    assert "<html" not in part


# --- to stop seeing


async def test_an_expired_session_is_no_session(viewer):
    await Session.objects.aupdate(expire_date=timezone.now() - timedelta(seconds=1))
    answer = await viewer.get("/admin/queues")
    assert answer.status_code == 302
    assert answer.cookies["toril_session"].value == ""


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
async def test_who_is_disabled_or_no_longer_staff_is_out_at_once(viewer, change):
    assert (await viewer.get("/admin/queues")).status_code == 200
    await User.objects.aupdate(**change)
    assert (await viewer.get("/admin/queues")).status_code in (302, 403)


async def test_a_new_password_ends_the_old_sessions(viewer):
    user = await User.objects.aget(username="viewer")
    user.set_password("another")
    await user.asave()
    assert (await viewer.get("/admin/queues")).status_code == 302


@pytest.mark.parametrize("key", ["x", "a" * 32, "' or 1=1 --", "é", "\x00", "a" * 5000])
async def test_a_made_up_session_is_nobodys(anonymous, key):
    anonymous.cookies["toril_session"] = key
    assert (await anonymous.get("/admin/queues")).status_code == 302


# --- to act


LOOKING = ["job.payload", "job.view", "queue.view", "search.forget", "search.save"]


async def test_permissions_become_grants(stranger, viewer, operator, admin):
    assert (await grants(viewer))["actions"] == LOOKING
    assert (await grants(operator))["actions"] == sorted(
        action for action, ability in ACTIONS.items() if ability in ROLES["operator"]
    )
    assert (await grants(admin))["actions"] == sorted(PERMISSIONS)
    assert (await grants(await signed_in("cleaner", "view", "clean")))["actions"] == [
        "job.view",
        "queue.clean",
        "queue.drain",
        "queue.view",
        "search.forget",
        "search.save",
    ]


async def test_templates_get_flags_and_the_name(operator):
    assert (await grants(operator))["drawn"] == "True True False operator "


async def test_both_ways_to_the_user_give_the_one_that_was_fetched(viewer):
    assert (await grants(viewer))["same_user"]


async def test_an_action_that_no_permission_names_is_nobodys():
    everything = Grants(Actor(1, "root"), frozenset(ABILITIES))
    assert everything.may("job.retry")
    assert not everything.may("job.explode")
    with pytest.raises(AttributeError):
        _ = everything.job_explode


async def test_acting_without_the_permission_is_refused_by_name(operator, admin):
    refused = await operator.post("/acts", htmx=True)
    assert refused.status_code == 403
    assert "toril.remove" in refused.content.decode()
    assert (await admin.post("/acts")).json() == {"removed": True}


async def test_a_permission_taken_away_is_gone_at_the_next_click(operator):
    user = await User.objects.aget(username="operator")
    await user.groups.aset([await Group.objects.aget(name="viewer")])
    assert (await grants(operator))["actions"] == LOOKING
    await user.groups.aclear()
    assert (await operator.get("/grants")).status_code == 403


# --- and what it costs


async def queries(browser: Browser, path: str, **kwargs: Any) -> list[str]:
    """What this request asks of the database, in the thread in which it asks."""
    log = CaptureQueriesContext(database)
    await sync_to_async(log.__enter__)()
    await browser.get(path, **kwargs)
    await sync_to_async(log.__exit__)(None, None, None)
    return await sync_to_async(lambda: [query["sql"] for query in log.captured_queries])()


async def test_session_user_and_permissions_are_asked_for_once(operator, admin):
    asked = await queries(admin, "/admin/queues")
    assert [("django_session" in sql, "auth_user" in sql) for sql in asked] == [(True, False), (False, True)]
    asked = await queries(operator, "/admin/queues")
    # The session, the user, their own permissions, those of their groups, and what they may on some queues.
    assert len(asked) == 5


async def test_one_thread_is_entered_and_no_more(viewer, monkeypatch):
    entered = []
    whole = SyncToAsync.__call__

    async def counted(self, *args, **kwargs):
        entered.append(getattr(self.func, "__qualname__", repr(self.func)))
        return await whole(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    await viewer.get("/admin/queues")
    assert [name for name in entered if name.startswith("_asked")] == ["_asked"]
    # The others are Django's own: the signals before and after a request.
    assert len(entered) <= 4, entered


async def test_a_visitor_without_a_cookie_costs_the_database_nothing(anonymous):
    assert await queries(anonymous, "/admin/queues") == []


async def test_the_probe_asks_nothing_even_with_a_cookie_and_a_strange_host(viewer):
    assert (await viewer.get("/livez", headers={"Host": "10.0.0.7:8000"})).status_code == 200
    assert await queries(viewer, "/livez", headers={"Host": "10.0.0.7:8000"}) == []


async def test_looking_does_not_write_the_session(viewer):
    answer = await viewer.get("/admin/queues")
    assert "toril_session" not in answer.cookies


async def test_a_host_that_is_not_ours_is_refused(viewer, anonymous):
    for browser in (viewer, anonymous):
        for host in ("evil.example", "testserver.evil.example", "testserver@evil.example", "a b", "", "testserver:x"):
            answer = await browser.get("/admin/queues", headers={"Host": host})
            assert answer.status_code == 400, host
            assert b"evil" not in answer.content


async def test_readiness_asks_redis(anonymous, connection):
    assert (await anonymous.get("/readyz")).status_code == 200


async def test_without_redis_the_process_lives_but_is_not_ready_and_says_so_within_two_seconds(
    anonymous, own_redis, settings
):
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url}}}
    reset_options()
    own_redis.stop()
    began = timezone.now()
    assert (await anonymous.get("/readyz")).status_code == 503
    assert timezone.now() - began < timedelta(seconds=2)
    assert (await anonymous.get("/livez")).status_code == 200
    settings.TORIL = {**settings.TORIL, "USE_JOB_QUEUE": False}
    reset_options()
    assert (await anonymous.get("/readyz")).status_code == 200
    reset_options()


def test_sessions_last_twelve_hours_and_live_where_they_can_be_ended():
    assert django_settings.SESSION_COOKIE_AGE == 12 * 3600
    assert django_settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"
    assert not django_settings.SESSION_SAVE_EVERY_REQUEST
