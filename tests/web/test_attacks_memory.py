"""What somebody with time and the source tries on what is remembered: searches, groups of failures, bulk work."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import QueueGrant, SavedView
from queues.models import ApiKey, AuditEntry, FailureCause, Operation, Queue
from queues.operations import Reach, Target, preview
from queues.states import State
from tests.failing import plant_group
from tests.operating import begun, duty, now, run
from tests.planting import plant_failed
from tests.searching import kept, take_in
from tests.web.browser import Browser
from tests.web.conftest import signed_in_on
from tests.web.keyed import plant_key, program
from tests.web.planted import text_of

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/admin/queues"
NEW, LIST, SEARCH = f"{BASE}/operations/new", f"{BASE}/operations", f"{BASE}/search"


async def granted(name: str, queue: str, *abilities: str) -> Browser:
    return await signed_in_on(name, queue, abilities=("view", *abilities))


def forged(target: Target, **changed: Any) -> str:
    return json.dumps(json.loads(target.to_json()) | changed)


async def begin(browser: Browser, target: str, do: str = "retry", **form: str) -> Any:
    return await browser.post(NEW, {"begin": "1", "do": do, "target": target, "reason": "an attack"} | form, htmx=True)


# --- groups of failures


async def test_a_hidden_group_is_not_merged_behind_many_that_are_seen(transactional_db, connection):
    await sync_to_async(plant_group)(1, "mails")
    await sync_to_async(plant_group)(2, "mails")
    await sync_to_async(plant_group)(3, "secret")
    await Queue.objects.abulk_create([Queue(name=name) for name in ("mails", "secret")])
    browser = await granted("mailer", "mails", "triage")
    answer = await browser.post(f"{BASE}/failures/1?action=merge", {"group": ["2"] * 50 + ["3"]}, htmx=True)
    assert answer.status_code in (400, 404)
    assert (await FailureCause.objects.aget(spots__queue="secret")).group_id == 3


# --- bulk work


@pytest.mark.parametrize("changed", [{"before_ms": 0}, {"queues": ["chat", "\ud800"]}, {"queues": ["chat", "a\0b"]}])
async def test_no_form_makes_the_list_of_operations_unreadable(operator, connection, client_of_redis, prefix, changed):
    plant_failed(client_of_redis, prefix, "chat", 2)
    target = Target.of_state(connection, ["chat"], [State.FAILED])
    await begin(operator, forged(target, **changed))
    for path in (LIST, *[f"{LIST}/{row.pk}" async for row in Operation.objects.all()]):
        assert (await operator.get(path)).status_code == 200


async def test_an_operation_over_whatever_a_search_finds_does_not_pass_for_one_queues(
    operator, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 2)
    await begin(operator, forged(Target.of_search(connection, "name:work"), queues=["chat"]))
    assert [row.queues async for row in Operation.objects.all()] in ([], ["[]"])
    assert not [row async for row in AuditEntry.objects.filter(queue="chat")]


async def test_a_forged_target_names_no_queue_twice_and_not_without_end(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    target = Target.of_state(connection, ["chat"], [State.FAILED])
    html = (await operator.post(NEW, {"do": "retry", "target": forged(target, queues=["chat"] * 3)})).content.decode()
    assert "Retry 2 failed jobs?" in text_of(html)
    many = forged(target, queues=[f"q{n}" for n in range(10_001)])
    assert (await operator.post(NEW, {"do": "retry", "target": many})).status_code == 400


async def test_who_sees_less_than_it_reached_is_told_nothing_of_a_repetition(transactional_db, connection):
    mine = await begun(
        Target.of_search(connection, "name:work"), "retry", reach=Reach(("mail",), ("mail",)), expected=3
    )
    await begun(Target.of_search(connection, "name:work"), "retry", expected=8_128, repeats=mine.pk)
    browser = await granted("part", "mail")
    answer = await browser.get(f"{LIST}/{mine.pk}")
    assert answer.status_code == 200
    assert "8,128" not in answer.content.decode()


async def test_a_move_does_not_tell_the_name_of_a_hidden_queue(transactional_db, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "mail", 2)
    row = await begun(Target.of_state(connection, ["mail"], [State.FAILED]), "move", parameters={"queue": "vault"})
    again = await begun(
        Target.of_state(connection, ["mail"], [State.FAILED]), "move", parameters={"queue": "vault"}, repeats=row.pk
    )
    browser = await granted("part", "mail", "remove", "add", "view_audit")
    for path in (LIST, f"{LIST}/{row.pk}", f"{LIST}/{again.pk}", f"{NEW}?repeat={row.pk}", f"{BASE}/audit"):
        assert "vault" not in (await browser.get(path)).content.decode(), path


async def test_what_was_searched_does_not_name_hidden_queues(transactional_db, connection):
    row = await begun(Target.of_search(connection, "queue:mail,vault name:work"), "retry")
    await Operation.objects.filter(pk=row.pk).aupdate(queues='["mail"]', is_collected=True)
    browser = await granted("part", "mail", "view_payload", "retry")
    for path in (LIST, f"{LIST}/{row.pk}", f"{NEW}?repeat={row.pk}"):
        assert "vault" not in (await browser.get(path)).content.decode(), path


@pytest.mark.parametrize("lost", ["grant", "account", "desk", "target"])
async def test_what_was_begun_with_rights_that_were_taken_away_stops(
    transactional_db, connection, client_of_redis, prefix, lost
):
    plant_failed(client_of_redis, prefix, "chat", 3)
    browser = await granted("ana", "chat", "remove", "retry")
    await QueueGrant.objects.acreate(
        user=await User.objects.aget(username="ana"), queue="mail", abilities=["view", "add"]
    )
    do = "move" if lost == "target" else "retry"
    await begin(browser, Target.of_state(connection, ["chat"], [State.FAILED]).to_json(), do, to="mail")
    row = await Operation.objects.aget()
    users = User.objects.filter(username="ana")
    if lost == "account":
        await users.adelete()
    elif lost == "desk":
        await users.aupdate(is_staff=False)
    else:
        await QueueGrant.objects.filter(queue="mail" if lost == "target" else "chat").adelete()
    async with duty() as one:
        await run(one, row)
    row = await now(row)
    assert (row.phase, row.stopped_itself, row.done) == ("paused", True, 0)
    assert "ana began it and may not do this any more" in row.message
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 3


async def test_what_services_began_stops_with_their_keys(transactional_db, connection, client_of_redis, prefix):
    rows: dict[str, Operation] = {}
    for name in ("revoked", "over", "narrower", "sound"):
        plant_failed(client_of_redis, prefix, name, 2)
        key = await plant_key(name, ("retry",), (name,))
        sent = {"action": "retry", "target": {"queues": [name], "states": ["failed"]}, "reason": "an attack"}
        answer = await program(key).post("/api/v1/operations", json.dumps(sent), content_type="application/json")
        rows[name] = await Operation.objects.aget(pk=answer.json()["number"])
    taken = {"revoked": {"revoked_at": timezone.now()}, "over": {"expires_at": timezone.now()}}
    for name, changed in {**taken, "narrower": {"queues": ["mail"]}}.items():
        await ApiKey.objects.filter(name=name).aupdate(**changed)
    async with duty() as one:
        await run(one, *rows.values())
    found = {name: await now(row) for name, row in rows.items()}
    assert {name: (row.phase, row.done) for name, row in found.items()} == {
        "revoked": ("paused", 0), "over": ("paused", 0), "narrower": ("paused", 0), "sound": ("done", 2)
    }  # fmt: skip
    for name in ("revoked", "over", "narrower"):
        assert f"key:{name} began it and may not do this any more" in found[name].message


async def test_one_that_cannot_go_on_keeps_no_other_from_it(
    transactional_db, connection, client_of_redis, prefix, monkeypatch
):
    plant_failed(client_of_redis, prefix, "chat", 3)
    target = Target.of_state(connection, ["chat"], [State.FAILED])
    odd, fair = await begun(target, "retry"), await begun(target, "retry")

    def asked(row: Operation) -> str:
        if row.pk == odd.pk:
            raise ZeroDivisionError
        return ""

    monkeypatch.setattr("queues.operations.consent.asks", [asked])
    async with duty() as one:
        for _turn in range(1_000):
            await one.turn()
            if (await now(fair)).is_over:
                break
    assert [(await now(each)).phase for each in (odd, fair)] == ["running", "done"]


# --- searches


@pytest.mark.parametrize(
    "q", ["*a\0b*", "a\0b", '"a\0b c"', "id:*a\0b*", "queue:a\0b", "name:a\0b*", "data.a\0:x", "\0"]
)
async def test_no_search_is_an_error_of_the_server(viewer, connection, q):
    await sync_to_async(kept)("1", failed_reason="boom", state="failed")
    await sync_to_async(take_in)()
    for more in ({}, {"fragment": "suggest"}, {"format": "csv"}):
        answer = await viewer.get(SEARCH, {"q": q} | more)
        assert answer.status_code == 200
        if answer.streaming:
            assert [piece async for piece in answer.streaming_content]


@pytest.mark.parametrize(
    "q", ["queue:mail,pay-roll", 'queue:"mail","Pay-Roll"', "queue:PAY-ROLL", "-queue:mail,pay-roll"]
)
async def test_a_shared_view_does_not_name_a_hidden_queue(transactional_db, connection, q):
    await sync_to_async(kept)("1", "mail")
    await sync_to_async(kept)("1", "pay-roll")
    boss = await User.objects.acreate_user("boss")
    await SavedView.objects.acreate(owner=boss, name="monthly", query=q, is_shared=True)
    await SavedView.objects.acreate(owner=boss, name="harmless", query="queue:mail", is_shared=True)
    browser = await granted("part", "mail*")
    html = (await browser.get(SEARCH)).content.decode()
    assert "harmless" in html
    assert "monthly" not in html


@pytest.mark.parametrize("held", ["x;=cmd|' /C calc'!A0;y", "x;\u00a0@SUM(1)", "boom\n=1+1;", "a\t+1"])
async def test_no_spreadsheet_runs_what_its_own_separator_makes_a_cell(admin, connection, held):
    await sync_to_async(kept)("1", name=held, state="failed", failed_reason=held)
    await sync_to_async(take_in)()
    answer = await admin.get(SEARCH, {"q": "id:1", "format": "csv"})
    told = b"".join([piece async for piece in answer.streaming_content]).decode()
    cells = re.split(r"[;\t\r\n,]", told.replace('"', ""))
    assert "1" in cells
    assert not [cell for cell in cells if cell.strip(" \u00a0").startswith(tuple("=+-@"))]


async def test_a_search_that_only_a_look_at_every_row_answers_is_given_up_in_time(connection, monkeypatch):
    for n in range(6):
        await sync_to_async(kept)(str(n))
    await sync_to_async(take_in)()
    monkeypatch.setattr("queues.lookups.search.indexed.CHUNK", 2)
    target = Target.of_search(connection, "name:*zzz*,*yyy*")
    shown = await preview(target, "retry")
    assert (shown.count, shown.is_least) == (0, False)
    monkeypatch.setattr("queues.operations.previewing.MOST_S", -1.0)
    shown = await preview(target, "retry")
    assert (shown.count, shown.is_least) == (0, True)


# --- one person who asks for much


async def test_of_one_persons_exports_few_run_at_once_and_others_do_not_wait(admin, viewer, connection):
    await sync_to_async(kept)("1")
    await sync_to_async(take_in)()
    opened = [(await admin.get(SEARCH, {"q": "id:1", "format": "csv"})).streaming_content for _each in range(3)]
    for running in opened[:2]:
        assert await anext(running)
    third = asyncio.create_task(anext(opened[2]))
    other = (await viewer.get(SEARCH, {"q": "id:1", "format": "csv"})).streaming_content
    assert [piece async for piece in other]
    assert not third.done()
    assert [piece async for piece in opened[0]]
    assert await third
    for running in opened[1:]:
        assert [piece async for piece in running]


async def test_of_one_persons_previews_few_run_at_once(operator, connection, client_of_redis, prefix, monkeypatch):
    plant_failed(client_of_redis, prefix, "chat", 2)
    running, most = 0, 0

    async def counted(*asked: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        found = await preview(*asked)
        running -= 1
        return found

    monkeypatch.setattr("dashboard.pages.operation.asking.preview", counted)
    asked = [operator.get(f"{NEW}?do=retry&queue=chat&state=failed") for _each in range(6)]
    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * 6
    assert most == 2
