"""Bull Board's API for whom: hidden queues are nowhere, read-only is enforced, a browser cannot be lured."""

from __future__ import annotations

import json
import time

import pytest
from django.contrib.auth.models import User

from queues import queue
from queues.histogram import bucket, pack
from queues.models import AuditEntry, Sample, Series
from queues.models.sample import DAY_S, HOUR_S, MINUTE_S
from queues.options import reset_options
from tests.inprocess import in_process  # noqa: F401
from tests.planting import plant_failed
from tests.web.boarded import API, ask
from tests.web.browser import Browser
from tests.web.conftest import signed_in_on

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 20_000 * DAY_S


async def restricted(pattern: str, *abilities: str) -> Browser:
    return await signed_in_on("half", pattern, abilities=("view", *abilities))


@pytest.fixture
async def two(connection, client_of_redis, prefix):
    """A queue that is seen and one that is not, joined by flows both ways; schedulers in both."""
    for name in ("mails", "secret"):
        plant_failed(client_of_redis, prefix, name, 2, reason=f"of {name}")
        await queue(name).upsert_scheduler(f"beat-{name}", every_ms=60_000)
    children = [
        {"queue": "mails", "name": "open", "job_id": "open"},
        {"queue": "secret", "name": "hidden-child", "job_id": "hidden"},
    ]
    await queue("mails").add_flow("parent", children=children, job_id="whole")
    below = [{"queue": "mails", "name": "below", "job_id": "below"}]
    await queue("secret").add_flow("hidden-parent", children=below, job_id="above")


async def test_a_queue_that_is_not_seen_is_nowhere(two):
    half = await restricted("mails", "view_payload", "pause", "retry")
    told = [
        await ask(half, "GET", path)
        for path in (
            "/queues", "/queues?activeQueue=secret", "/job-schedulers", "/job-schedulers?queueName=secret",
            "/queues/mails/whole/flow", "/queues/mails/below/flow", "/queues/mails/open/flow",
            "/metrics/history?from=0&to=5&queue=secret", "/metrics/history/usage",
        )
    ]  # fmt: skip
    assert {status for status, _body in told} == {200}
    assert "secret" not in json.dumps(told)
    assert "hidden" not in json.dumps(told)
    flow = told[4][1]["flowRoot"]
    assert [child["id"] for child in flow["children"]] == ["open"]
    assert flow["truncated"] is True
    # Its parent is none that this person may know of.
    assert told[5][1] == {"nodeId": "below", "isFlowNode": False, "flowRoot": None}
    for method, path in (
        ("GET", "/queues/secret/1"),
        ("PUT", "/queues/secret/pause"),
        ("PUT", "/queues/secret/1/retry"),
    ):
        status, body = await ask(half, method, path)
        assert (status, body["error"]["key"]) == (404, "ERRORS.QUEUE_NOT_FOUND")
    assert (await ask(half, "POST", "/metrics/history/purge", {"queue": "secret"}))[0] == 404


async def test_all_means_all_that_one_may(two, admin):
    half = await restricted("mails", "pause")
    assert await ask(half, "PUT", "/queues/pause") == (200, {})
    told = (await ask(admin, "GET", "/queues"))[1]["queues"]
    assert {one["name"]: one["isPaused"] for one in told} == {"mails": True, "secret": False}


async def test_who_only_looks_is_told_so_and_retries_that_are_closed_stay_closed(two, admin, viewer, settings):
    (mails, _other) = (await ask(viewer, "GET", "/queues"))[1]["queues"]
    assert (mails["readOnlyMode"], mails["allowRetries"], mails["allowCompletedRetries"]) == (True, False, False)
    status, body = await ask(viewer, "PUT", "/queues/mails/1/retry")
    assert (status, body["error"]) == (403, {"key": "ERRORS.FORBIDDEN"})
    settings.TORIL = {**settings.TORIL, "QUEUES": {"mails": {"allow_retries": False}, "secret": {"read_only": True}}}
    reset_options()
    (mails, secret) = (await ask(admin, "GET", "/queues"))[1]["queues"]
    assert (mails["readOnlyMode"], mails["allowRetries"]) == (False, False)
    assert (secret["readOnlyMode"], secret["allowRetries"]) == (True, False)
    for path in ("/queues/mails/1/retry", "/queues/mails/retry/failed"):
        assert (await ask(admin, "PUT", path))[0] == 403
    for method, path, sent in (("PUT", "/queues/secret/1/clean", None), ("POST", "/queues/secret/add", {})):
        status, body = await ask(admin, method, path, sent)
        assert (status, body["error"]["key"]) == (405, "ERRORS.QUEUE_READ_ONLY")


async def test_a_browser_acts_with_the_token_that_bull_boards_client_sends_back(two, admin):
    browser = Browser(enforce_csrf_checks=True)
    await browser.aforce_login(await User.objects.aget(username="admin"))
    assert (await ask(browser, "PUT", "/queues/mails/1/retry"))[0] == 403
    assert (await ask(browser, "PUT", "/queues/mails/1/retry", headers={"X-XSRF-TOKEN": "x" * 64}))[0] == 403
    told = await browser.get(f"{API}/queues")
    cookie = told.cookies["XSRF-TOKEN"]
    assert (cookie["samesite"], cookie["httponly"], cookie["path"]) == ("Lax", "", "/")
    assert (await ask(browser, "PUT", "/queues/mails/1/retry", headers={"X-XSRF-TOKEN": cookie.value}))[0] == 204


async def test_counts_are_anybodys_where_the_settings_open_them_and_jobs_never(two, anonymous, settings):
    assert (await ask(anonymous, "GET", "/queues"))[0] == 401
    settings.TORIL = {**settings.TORIL, "PUBLIC_COUNTS": True}
    reset_options()
    status, body = await ask(anonymous, "GET", "/queues")
    assert (status, body["queues"][0]["counts"]["failed"], body["queues"][0]["jobs"]) == (200, 2, [])
    assert body["queues"][0]["readOnlyMode"] is True
    for path in ("/queues?activeQueue=mails", "/queues/mails/1", "/job-schedulers", "/redis/stats"):
        assert (await ask(anonymous, "GET", path))[0] == 401


async def test_a_redis_that_does_not_answer_is_said(admin, settings):
    gone = {"default": {"URL": "redis://127.0.0.1:1", "PREFIX": "gone"}}
    settings.TORIL = {**settings.TORIL, "CONNECTIONS": gone}
    reset_options()
    for method, path in (
        ("GET", "/queues"),
        ("GET", "/redis/stats"),
        ("GET", "/queues/mails/1"),
        ("PUT", "/queues/pause"),
    ):
        status, body = await ask(admin, method, path)
        assert (status, body["error"]["key"]) == (503, "ERRORS.REDIS_UNAVAILABLE"), path


# --- figures of the past


def plant_figures() -> None:
    """Two days, of two queues; one of them with a name of its own."""
    for name, times in (("mails", 1), ("secret", 10)):
        for job_name in ("", "welcome"):
            series = Series.objects.create(connection="default", queue=name, name=job_name)
            for at, step_s in (
                (DAY, DAY_S),
                (DAY + DAY_S, DAY_S),
                (DAY, HOUR_S),
                (DAY + HOUR_S, HOUR_S),
                (DAY, MINUTE_S),
            ):
                run = pack({bucket(0.1): 90 * times, bucket(5.0): 10 * times})
                Sample.objects.create(
                    series=series, step_s=step_s, at=at, source="w", recorded=step_s // 60, completed=100 * times,
                    failed=times, run=run, wait=b"", oldest_ms=3_000 * times,
                )  # fmt: skip


@pytest.fixture
def figures(two, transactional_db):
    plant_figures()


async def test_history_is_of_what_is_seen_by_day_and_hour(figures, admin):
    half = await restricted("mails")
    span = f"from={DAY * 1000}&to={(DAY + DAY_S) * 1000}"
    days = [DAY * 1000, (DAY + DAY_S) * 1000]
    told = (await ask(half, "GET", f"/metrics/history?{span}"))[1]
    assert told == {
        "completed": [{"ts": at, "value": 100} for at in days],
        "failed": [{"ts": at, "value": 1} for at in days],
    }
    assert (await ask(admin, "GET", f"/metrics/history?{span}"))[1]["completed"][0]["value"] == 1_100
    assert (await ask(half, "GET", f"/metrics/history?{span}&queue=secret"))[1] == {"completed": [], "failed": []}
    assert (await ask(half, "GET", f"/metrics/latency?metric=runtime&{span}&queue=secret"))[1] == []
    assert (await ask(admin, "GET", f"/metrics/history?{span}&queue=secret"))[1]["failed"][0]["value"] == 10
    told = (await ask(half, "GET", f"/metrics/history?{span}&granularity=hour&metric=queueage"))[1]
    assert told == {"queueage": [{"ts": at, "value": 3_000} for at in (DAY * 1000, (DAY + HOUR_S) * 1000)]}
    (point,) = (await ask(half, "GET", f"/metrics/latency?metric=runtime&{span}&granularity=range"))[1]
    assert (point["ts"], point["count"]) == (DAY * 1000, 200)
    assert point["values"].keys() == {"50", "95", "99"}
    assert 90 < point["values"]["50"] < 110 < 4_500 < point["values"]["95"]
    (first, _second) = (await ask(half, "GET", f"/metrics/latency?metric=runtime&{span}&percentiles=0,99.5"))[1]
    assert first["values"].keys() == {"0", "99.5"}
    assert (await ask(half, "GET", f"/metrics/latency?metric=waittime&{span}"))[1] == []
    for path, key in (
        ("history?from=5&to=1", "DATE_RANGE"), ("history", "DATE_RANGE"), (f"history?{span}&metric=x", "METRIC"),
        (f"history?{span}&granularity=x", "GRANULARITY"), ("latency", "METRIC"),
        ("latency?metric=runtime&from=x", "DATE_RANGE"),
    ):  # fmt: skip
        status, body = await ask(half, "GET", f"/metrics/{path}")
        assert (status, body["error"]["key"]) == (400, f"ERRORS.INVALID_{key}")


async def test_what_is_kept_is_told_and_dropped_on_record_by_who_may(figures, admin):
    half = await restricted("mails", "clean")
    told = (await ask(half, "GET", "/metrics/history/usage"))[1]
    assert [one["queue"] for one in told["queues"]] == ["mails"]
    assert (told["keys"], told["minutes"], told["oldestDay"], told["newestDay"]) == (
        10,
        2_880,
        "2024-10-04",
        "2024-10-05",
    )
    assert {name: tier["keys"] for name, tier in told["tiers"].items()} == {"minute": 2, "hour": 4, "day": 4}
    assert told["bytes"] == sum(tier["bytes"] for tier in told["tiers"].values()) > 0
    assert (await ask(half, "POST", "/metrics/history/purge", {"queue": "mails"}))[0] == 403
    assert (await ask(admin, "POST", "/metrics/history/purge", {"before": "2024-13-05"}))[0] == 400
    assert (await ask(admin, "POST", "/metrics/history/purge", {"queue": 5}))[0] == 400
    assert await Sample.objects.acount() == 20
    # All but the second day's rows.
    status, body = await ask(admin, "POST", "/metrics/history/purge", {"queue": "mails", "before": "2024-10-05"})
    assert (status, body) == (200, {"keysDeleted": 8, "fieldsDeleted": 1})
    assert (await ask(admin, "POST", "/metrics/history/purge", {}))[1]["keysDeleted"] == 12
    assert not await Sample.objects.aexists()
    told = [(entry.queue, entry.affected) async for entry in AuditEntry.objects.filter(action="metrics.purge")]
    assert sorted(told) == [("", 12), ("mails", 8)]


# --- without a Redis


@pytest.mark.usefixtures("in_process")
async def test_in_process_the_rows_answer(admin, transactional_db):
    at = "/queues/chat"
    waits = await queue("chat").add("first", {"n": 1}, job_id="one", delay_ms=3_600_000)
    assert waits.id == "one"
    (told,) = (await ask(admin, "GET", "/queues?activeQueue=chat&status=delayed"))[1]["queues"]
    assert (told["counts"]["delayed"], told["supportsGlobalRateLimit"], told["jobs"][0]["id"]) == (1, False, "one")
    assert (await ask(admin, "GET", f"{at}/one"))[1]["job"]["data"] == {"n": 1}
    status, body = await ask(admin, "POST", f"{at}/add", {"name": "x", "options": {"delay": 99_999_999}})
    assert (status, body["status"]) == (200, "delayed")
    assert await ask(admin, "PATCH", f"{at}/one/update-data", {"jobData": {"n": 2}}) == (200, {})
    assert await ask(admin, "PATCH", f"{at}/one/delay", {"runAt": (time.time() + 9_999) * 1000}) == (200, {})
    assert (await ask(admin, "PUT", f"{at}/one/retry"))[1]["error"]["options"] == {"state": "delayed"}
    assert (await ask(admin, "PUT", f"{at}/one/clean"))[0] == 204
    assert (await ask(admin, "GET", f"{at}/one"))[0] == (await ask(admin, "GET", "/redis/stats"))[0] == 404
    assert (await ask(admin, "GET", "/job-schedulers"))[1] == {"schedulers": []}
    assert (await ask(admin, "GET", f"{at}/workers"))[1] == {"workers": None}
    assert (await ask(admin, "GET", f"{at}/rate-limit"))[1] == {"supported": False, "rateLimit": None}
    assert (await ask(admin, "PUT", f"{at}/rate-limit", {"max": 1, "duration": 1}))[0] == 400
    assert (await ask(admin, "PUT", f"{at}/job-schedulers/s/run"))[0] == 404
    for path in ("metrics", "default-job-options", "job-data-schema"):
        assert (await ask(admin, "GET", f"{at}/{path}"))[0] == 200
    for path in ("/metrics/history?from=0&to=1", "/metrics/latency?metric=runtime", "/metrics/history/usage"):
        assert (await ask(admin, "GET", path))[0] == 200
    assert await ask(admin, "PUT", f"{at}/pause") == (200, {})
    assert (await ask(admin, "PUT", f"{at}/clean/delayed"))[0] == 200
    assert await ask(admin, "PUT", f"{at}/obliterate", {}) == (200, {})
    assert (await ask(admin, "GET", "/queues"))[1] == {"queues": []}
