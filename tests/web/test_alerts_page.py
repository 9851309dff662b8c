"""The pages of alerts: what fires and why, for whom; silences with a reason, rules made and changed, tests sent."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.models import Alert, AlertLook, AlertNotice, AlertRule, AlertSilence, AuditEntry, Lease
from queues.options import reset_options
from tests.alerting import configured, in_database, known, looking, plant_alert, sending
from tests.mirroring import add
from tests.web.conftest import signed_in, signed_in_on
from tests.web.planted import EVIL, is_inert, text_of

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/admin/queues/alerts"


async def html(browser, path: str = BASE, status: int = 200, **asked) -> str:
    answer = await browser.get(path, **asked)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


async def granted(*abilities: str, queue: str = "mails*"):
    return await signed_in_on("granted", queue, abilities=("view", *abilities))


async def test_it_says_what_fires_since_when_by_which_rule_and_who_heard_of_it(admin, connection, settings):
    rules = {"Deep": {"KIND": "backlog", "FIRES": 3, "CLEARS": 1, "HOLD_S": 0}}
    rules["Slow"] = {"KIND": "backlog", "FIRES": 3, "HOLD_S": 600}
    configured(settings, RULES=rules, CHANNELS={"ops": {"MAIL": ["ops@example.com"]}})
    await known("mails", "calm")
    await add(connection, "mails", 3)
    async with looking() as duty, sending(duty) as sender:
        await duty.turn()
        await sender.turn()
        page = text_of(await html(admin))
        assert "Firing 1" in page
        assert "mails 3 jobs waiting" in page
        assert "fires from 3 jobs on, at once; clears at 1 job or below" in page
        assert "ops heard of it," in page
        assert "About to fire 1" in page
        assert "fires if it holds for 10 min more" in page
        one = await Alert.objects.aget(phase="firing")
        told = text_of(await html(admin, f"{BASE}/{one.pk}"))
        assert "Backlog: mails" in told
        assert "At worst 3 jobs" in told
        assert told.index("over its level") < told.index("fired") < told.index("ops heard of it")
    assert (await admin.get(f"{BASE}?fragment=now", htmx=True)).content.decode().lstrip().startswith("<div id=")
    await Alert.objects.filter(pk=one.pk).aupdate(phase="cleared", cleared_at=timezone.now(), value=1)
    assert "It cleared at 1 job." in text_of(await html(admin, f"{BASE}?show=past"))
    assert "It cleared at 1 job." in text_of(await html(admin, f"{BASE}/{one.pk}"))
    for odd in ("show=past&before=x", "form=nonsense", "fragment=now", "show=x", "form=rule"):
        await html(admin, f"{BASE}?{odd}")
    for odd in (f"{BASE}/999", f"{BASE}/{10**30}", f"{BASE}?form=rule&rule=99", f"{BASE}?connection=none"):
        await html(admin, odd, 404)


async def test_where_nobody_looks_nothing_is_said_to_be_well(admin, connection, settings):
    assert "none has run yet: nothing can fire" in text_of(await html(admin))
    await known("mails")
    async with looking() as duty:
        await duty.turn()
        page = text_of(await html(admin))
        assert "Nothing fires." in page
        assert "Redis memory" in page
    page = text_of(await html(admin))
    assert "No mirror runs: nobody looks at the rules" in page
    assert "Nothing fires." not in page
    assert "Nothing was firing when it was looked at last." in page
    assert "quiet" not in page
    assert page.count("nobody looks") > 5


async def test_a_mirror_that_leads_but_does_not_look_is_found_out(admin, connection):
    async with looking() as duty:
        assert "it has not looked at the rules of this connection yet" in text_of(await html(admin))
        await duty.turn()
        await AlertLook.objects.aupdate(at=timezone.now() - timedelta(minutes=5))
        assert "The rules were looked at 5 min ago, and not since" in text_of(await html(admin))


async def test_what_nobody_knows_is_said_with_its_reason(admin, connection, settings):
    configured(settings, RULES={"Memory": {"KIND": "redis_memory"}, "Deep": {"KIND": "backlog"}})
    await in_database(plant_alert)(1, "mails", blind_since=timezone.now(), blind_why="no-answer")
    async with looking() as duty:
        await duty.turn()
        own = {
            "built-in:x": [["", "x"]],
            "settings:Memory": [["", "no-memory"]],
            "settings:Deep": [["mails", "broken"]],
        }
        await AlertLook.objects.aupdate(unknown=json.dumps(own))
        await Alert.objects.aupdate(phase="firing")
        page = text_of(await html(admin))
    assert "nobody knows: Redis forbids INFO, or does not tell its ceiling" in page
    assert "nobody knows: mails: one of its keys in Redis is of another type" in page


async def test_in_process_it_is_said_why_there_are_none(admin, settings):
    settings.TORIL = {**getattr(settings, "TORIL", {}), "USE_JOB_QUEUE": False}
    reset_options()
    assert "Here jobs run in the process that adds them" in await html(admin)


async def test_an_alert_about_a_queue_that_is_not_seen_does_not_exist(connection, settings):
    configured(settings, RULES={
        "Everywhere": {"KIND": "backlog"}, "Only mails": {"KIND": "backlog", "QUEUE": "mails-*"},
        "Only secrets": {"KIND": "backlog", "QUEUE": "secret*"},
    })  # fmt: skip
    for number, queue in enumerate(("mails-1", "secret", ""), 1):
        await in_database(plant_alert)(number, queue)
    await AlertSilence.objects.filter(pk=3).aupdate(queue="*", rule="settings:Only secrets", rule_name="Only secrets")
    unknown = {"settings:Everywhere": [["secret", "broken"]]}
    # Somebody looks, so that what nobody knows is told.
    await Lease.objects.acreate(name="mirror", holder="somebody", until=timezone.now() + timedelta(hours=1))
    await AlertLook.objects.acreate(connection=connection, at=timezone.now(), unknown=json.dumps(unknown))
    await in_database(plant_alert)(4, "secret", phase="cleared", cleared_at=timezone.now(), digest="x")
    await add(connection, "mails-1")
    browser = await granted("alerts")
    for path in (BASE, f"{BASE}?show=past", f"{BASE}/1", f"{BASE}?fragment=now"):
        page = await html(browser, path)
        assert "secret" not in page, path
    page = text_of(await html(browser))
    assert "Firing 2" in page
    assert "Everywhere" in page
    assert "Only mails" in page
    for number in (2, 4):
        await html(browser, f"{BASE}/{number}", 404)
        answer = await browser.post(f"{BASE}?action=silence", {"alert": number, "length": "1h", "reason": "x"})
        assert answer.status_code == 404
    for form in ({"queue": "secret"}, {"queue": "nowhere"}):
        answer = await browser.post(f"{BASE}?action=silence", form | {"length": "1h", "reason": "x"})
        assert answer.status_code == 404
    answers = [(await browser.post(f"{BASE}?action=end-silence", {"silence": n})).status_code for n in (2, 3, 99)]
    assert answers == [404, 404, 404]
    elsewhere = await granted_elsewhere()
    assert "Firing 0" in text_of(await html(elsewhere))
    assert "Everywhere" not in await html(elsewhere)


async def granted_elsewhere():
    browser = await signed_in("elsewhere")
    user = await User.objects.aget(username="elsewhere")
    await QueueGrant.objects.acreate(user=user, connection="other", queue="*", abilities=["view"])
    return browser


async def test_who_may_silence_a_queue_silences_that_and_no_more(connection):
    for number, queue in enumerate(("mails-1", ""), 1):
        await in_database(plant_alert)(number, queue)
    await AlertSilence.objects.all().adelete()
    browser = await granted("alerts")
    form = {"alert": 1, "what": "rule", "length": "1h", "reason": "we <b>move</b>"}
    assert (await browser.post(f"{BASE}?action=silence", form)).status_code == 303
    row = await AlertSilence.objects.aget()
    assert (row.queue, row.rule, row.actor, row.reason) == ("mails-1", "built-in:backlog", "granted", "we <b>move</b>")
    assert "we &lt;b&gt;move&lt;/b&gt; · granted" in await html(browser)
    assert (
        await browser.post(f"{BASE}?action=silence", {"alert": 1, "what": "queue", "length": "1h"})
    ).status_code == 400
    assert (await browser.post(f"{BASE}?action=silence", form | {"what": "queue", "length": "9y"})).status_code == 400
    for whole in ({"alert": 2}, {}):
        answer = await browser.post(f"{BASE}?action=silence", form | {"alert": ""} | whole)
        assert answer.status_code == 403, "the whole connection is not theirs"
    assert (await browser.post(f"{BASE}?action=end-silence", {"silence": row.pk})).status_code == 303
    assert (await browser.post(f"{BASE}?action=end-silence", {"silence": row.pk})).status_code == 409
    row = await AlertSilence.objects.aget()
    assert row.until <= timezone.now()
    told = [(entry.action, entry.queue) async for entry in AuditEntry.objects.filter(outcome="done").order_by("pk")]
    assert told == [("alert.silence", "mails-1")] * 2


async def test_an_alert_tells_its_course_as_it_came_and_by_whom_it_is_silenced(connection):
    alert = await in_database(plant_alert)(1, "mails-1", told_at=timezone.now())
    for kind, channel, ago_s in (("cleared", "chat", 1), ("fired", "chat", 50), ("fired", "mail", 40)):
        told = {"sent_at": timezone.now() - timedelta(seconds=ago_s), "made_at": timezone.now()}
        notice = await AlertNotice.objects.acreate(rule=alert.rule, kind=kind, channel=channel, **told)
        await notice.alerts.aadd(alert)
    browser, viewer = await granted("alerts"), await signed_in("onlooker")
    user = await User.objects.aget(username="onlooker")
    await QueueGrant.objects.acreate(user=user, queue="mails*", abilities=["view"])
    for person, may_end in ((browser, True), (viewer, False)):
        page = await html(person, f"{BASE}/1")
        assert "Silenced Why μ By άνα Until" in text_of(page)
        assert ("action=end-silence" in page) is may_end
        assert "silenced by άνα: μ; that ends" in text_of(await html(person))
    answer = await browser.post(f"{BASE}?action=end-silence", {"silence": 1, "alert": 1})
    assert answer.headers["Location"] == f"{BASE}/1"
    assert "Silence it" in text_of(await html(browser, f"{BASE}/1"))
    await Alert.objects.aupdate(phase="cleared", cleared_at=timezone.now() - timedelta(seconds=5), value=1)
    told = text_of(await html(browser, f"{BASE}/1"))
    course = ("over its level", "chat heard of it", "mail heard of it", "It cleared at 1 job.", "chat heard that it")
    places = [told.index(said) for said in course]
    assert places == sorted(places), told


async def test_rules_are_made_changed_and_removed_by_who_may_everywhere(admin, connection, settings):
    configured(settings, CHANNELS={"ops": {"MAIL": ["ops@example.com"]}})
    form = {"NAME": "Deep", "KIND": "backlog", "QUEUE": "mail*", "CONNECTION": "*", "FIRES": "5", "CLEARS": "2"}
    form |= {"HOLD_S": "0", "IS_ON": "1", "CHANNELS": ["ops"]}
    assert (await admin.post(f"{BASE}?action=make", form)).status_code == 303
    row = await AlertRule.objects.aget()
    assert json.loads(row.definition)["CHANNELS"] == ["ops"]
    assert "Jobs that wait in queues mail*" in text_of(await html(admin))
    again = await admin.post(f"{BASE}?action=make", form)
    assert again.status_code == 400
    assert "There is a rule of this name already" in again.content.decode()
    for wrong, said in (
        ({"CLEARS": "5"}, "“clears at” must be below “Fires from” (5)"), ({"FIRES": "many"}, "is no number"),
        ({"KIND": "odd"}, "must be one of"),
        ({"NAME": " "}, "1 to 100 characters"), ({"KIND": "failure_rate", "FIRES": "101"}, "at most 100"),
    ):  # fmt: skip
        answer = await admin.post(f"{BASE}?action=make", form | {"NAME": "Other"} | wrong)
        assert answer.status_code == 400
        assert said in answer.content.decode()
        assert 'name="QUEUE" value="mail*"' in answer.content.decode(), "what was typed is kept"
    assert 'value="Deep"' in await html(admin, f"{BASE}?form=rule&rule={row.pk}")
    blank = await html(admin, f"{BASE}?form=rule")
    for name in ("FIRES", "CLEARS", "HOLD_S"):
        assert f'name="{name}" value=""' in blank, "what is usual for backlogs would be sent for what is chosen then"
    assert "Oldest waiting, in seconds (fires 900, clears 300, held 60 s)" in blank
    changed = form | {"rule": row.pk, "NAME": "Deeper", "FIRES": "50", "CHANNELS": ["ops", "webhooks"]}
    assert (await admin.post(f"{BASE}?action=edit", changed)).status_code == 303
    await row.arefresh_from_db()
    assert (row.name, json.loads(row.definition)["FIRES"]) == ("Deeper", 50)
    assert json.loads(row.definition)["CHANNELS"] is None, "all of them stands for those to come, too"
    limited = await granted("alerts", queue="*-nothing")
    assert (await limited.post(f"{BASE}?action=remove", {"rule": row.pk})).status_code == 403
    assert (await limited.get(f"{BASE}?form=rule")).status_code == 403
    assert (await admin.post(f"{BASE}?action=remove", {"rule": row.pk})).status_code == 303
    assert (await admin.post(f"{BASE}?action=remove", {"rule": row.pk})).status_code == 404
    assert (await admin.post(f"{BASE}?action=nonsense")).status_code == 400
    told = [entry.action async for entry in AuditEntry.objects.filter(outcome="done").order_by("pk")]
    assert told == ["alert.make", "alert.edit", "alert.remove"]


async def test_a_test_is_sent_at_once_and_its_failure_said(admin, viewer, connection, settings):
    chat = {"SLACK": "http://127.0.0.1:9/hook-secret"}
    configured(settings, CHANNELS={"ops": {"MAIL": ["ops@example.com"]}, "chat": chat})
    page = await html(admin)
    assert "ops@example.com" in page
    assert "hook-secret" not in page
    assert "ops@example.com" not in await html(viewer)
    assert (await admin.post(f"{BASE}?action=test", {"channel": "ops"})).status_code == 303
    (told,) = mail.outbox
    assert told.subject == "[Toril] A test"
    assert "admin tried whether messages of alerts arrive here" in told.body
    refused = await admin.post(f"{BASE}?action=test", {"channel": "chat"})
    assert refused.status_code == 409
    assert "was not taken by “chat”" in refused.content.decode()
    assert "hook-secret" not in refused.content.decode()
    assert (await admin.post(f"{BASE}?action=test", {"channel": "none"})).status_code == 404
    assert len(mail.outbox) == 1
    rows = [(entry.action, entry.outcome) async for entry in AuditEntry.objects.order_by("pk")]
    assert rows == [("alert.test", "done"), ("alert.test", "failed")]


async def test_names_and_reasons_are_text_wherever_they_are_shown(admin, connection):
    await in_database(plant_alert)(1, EVIL, subject=EVIL, rule_name=EVIL[:100])
    await AlertSilence.objects.aupdate(reason=EVIL, actor=EVIL[:150])
    now = timezone.now()
    notice = await AlertNotice.objects.acreate(
        rule="x", kind="fired", channel=EVIL[:64], title="", text="", made_at=now, tries=3, answer=EVIL
    )
    await notice.alerts.aadd(1)
    for path in (BASE, f"{BASE}/1"):
        assert is_inert(await html(admin, path)), path
    await Alert.objects.aupdate(phase="cleared", cleared_at=now)
    assert is_inert(await html(admin, f"{BASE}?show=past"))
