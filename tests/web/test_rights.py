"""Every address and every action for every role: a table that fails for whatever it does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import get_resolver

from dashboard.models import QueueGrant
from dashboard.pages.alert import acting as alert_acting
from dashboard.pages.failure import acting as failure_acting
from dashboard.pages.job import acts
from dashboard.pages.job import forms as job_forms
from dashboard.pages.job import parts as job_parts
from dashboard.pages.listing import confirmation, selection
from dashboard.pages.operation import acting as operation_acting
from dashboard.pages.operation import asking as operation_asking
from dashboard.pages.queue import acting as queue_acting
from dashboard.pages.scheduler import acting as scheduler_acting
from dashboard.pages.webhook import acting as webhook_acting
from dashboard.pages.worker import page as workers
from queues.abilities import ABILITIES, ACTIONS, LOOKING, ROLES
from queues.actions import groups
from queues.models import AuditEntry, Operation
from queues.operations import Target
from queues.states import BULK_ACTIONS, State
from tests.alerting import plant_alert
from tests.failing import plant_group
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import plant_job, plant_webhook

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/admin/queues"
SEEN, HIDDEN = "mails-1", "hidden-chat"
CARRIED = "carried-by-the-job"
PAGES = Path(confirmation.__file__).parents[1]

#: The address pattern → how it is asked for; `{queue}` and `{job}` are filled in.
OPEN = {
    "sign-in",
    "sign-in/provider",
    "sign-in/provider/back",
    "livez",
    "readyz",
    "favicon.ico",
    "admin/queues/theme.css",
}
ROUTES = {
    "": "/",
    "admin/queues": BASE,
    "admin/queues/": f"{BASE}/",
    "admin/queues/queue": f"{BASE}/queue?name={{queue}}",
    "admin/queues/queue/<segment:queue>": f"{BASE}/queue/{{queue}}",
    "admin/queues/queue/<segment:queue>/<segment:job_id>": f"{BASE}/queue/{{queue}}/1",
    "admin/queues/failures": f"{BASE}/failures",
    "admin/queues/failures/<int:group>": f"{BASE}/failures/1",
    "admin/queues/job-schedulers": f"{BASE}/job-schedulers",
    "admin/queues/flows": f"{BASE}/flows",
    "admin/queues/sessions": f"{BASE}/sessions",
    "admin/queues/workers": f"{BASE}/workers",
    "admin/queues/jump": f"{BASE}/jump?q=",
    "admin/queues/search": f"{BASE}/search?q=is:live",
    "admin/queues/live": f"{BASE}/live",
    "admin/queues/settings": f"{BASE}/settings",
    "admin/queues/metrics-history": f"{BASE}/metrics-history",
    "admin/queues/operations": f"{BASE}/operations",
    "admin/queues/operations/new": f"{BASE}/operations/new?do=retry&queue={{queue}}&state=failed",
    "admin/queues/operations/<int:number>": f"{BASE}/operations/1",
    "admin/queues/webhooks": f"{BASE}/webhooks",
    "admin/queues/webhooks/new": f"{BASE}/webhooks/new",
    "admin/queues/webhooks/<int:number>": f"{BASE}/webhooks/1",
    "admin/queues/webhooks/<int:number>/deliveries/<int:delivery>": f"{BASE}/webhooks/1/deliveries/1",
    "admin/queues/alerts": f"{BASE}/alerts",
    "admin/queues/alerts/<int:number>": f"{BASE}/alerts/1",
    "admin/queues/keys": f"{BASE}/keys",
    "admin/queues/keys/new": f"{BASE}/keys/new",
    "admin/queues/redis": f"{BASE}/redis",
    "admin/queues/check": f"{BASE}/check",
    "admin/queues/audit": f"{BASE}/audit",
    "admin": "/admin",
    "sign-out": "/sign-out",
}
#: Pages that need more than to see something.
NEEDS = {"admin/queues/audit": "audit.view", "admin/queues/operations/new": "job.retry"}
NEEDS |= {pattern: "webhook.make" for pattern in ROUTES if pattern.startswith("admin/queues/webhooks")}
ADMIN = {
    "/admin/toril/apikey/": "key.revoke",
    "/admin/toril/queue/": "queue.view", "/admin/toril/job/": "queue.view", "/admin/toril/auditentry/": "audit.view",
}  # fmt: skip

#: A job's `?action=` → what it needs. `undo` asks for what it takes back, found by a token.
JOB_ACTIONS = {
    "retry": "job.retry", "elsewhere": "job.retry", "promote": "job.promote", "remove": "job.remove",
    "reschedule": "job.reschedule", "reprioritize": "job.reprioritize", "fail": "job.fail", "cancel": "job.cancel",
    "recover": "job.recover", "remove-children": "job.remove-children", "clear-logs": "job.clear-logs",
    "edit": "job.edit", "duplicate": "job.duplicate", "reveal": "job.reveal", "reveal-form": "job.reveal", "undo": None,
}  # fmt: skip
QUEUE_ACTIONS = {
    "pause": "queue.pause", "resume": "queue.resume", "limits": "queue.limits", "release": "queue.limits",
    "obliterate": "queue.obliterate", "add": "job.add", "retry-all": "queue.retry-all", "clean": "queue.clean",
    "promote-all": "queue.promote-all", "drain": "queue.drain", "undo": None, "selected": None,
}  # fmt: skip
SELECTED = {"retry": "job.retry", "promote": "job.promote", "remove": "job.remove"}
SCHEDULER_ACTIONS = {
    "run": "scheduler.run", "pause": "scheduler.pause", "resume": "scheduler.resume", "remove": "scheduler.remove",
    "restore": "scheduler.resume", "save": "scheduler.add",
}  # fmt: skip
SEARCH_ACTIONS = {"save": "search.save", "forget": "search.forget"}
FAILURE_ACTIONS = {
    "resolve": "failure.resolve", "ignore": "failure.ignore", "reopen": "failure.reopen", "assign": "failure.assign",
    "note": "failure.note", "merge": "failure.merge", "split": "failure.split", "split-values": "failure.split",
}  # fmt: skip
ALERT_ACTIONS = {
    "make": "alert.make", "edit": "alert.edit", "remove": "alert.remove", "test": "alert.test",
    "silence": "alert.silence", "end-silence": "alert.silence",
}  # fmt: skip
WORKER_ACTIONS = {"quiet": "workers.quiet", "resume": "workers.resume", "stop": "workers.stop"}
GROUP_ACTIONS = {"pause": "queue.pause", "resume": "queue.resume", "retry-all": "queue.retry-all"}
#: Of one that retries; and what must be held to begin one.
OPERATION_ACTIONS = {"pause": "job.retry", "resume": "job.retry", "cancel": "job.retry", "restore": "job.restore"}
BEGUN = {
    "retry": "job.retry", "promote": "job.promote", "remove": "job.remove", "clean": "queue.clean", "move": "job.move",
    "reprioritize": "job.reprioritize",
}  # fmt: skip
WEBHOOK_ACTIONS = {
    "edit": "webhook.edit", "enable": "webhook.enable", "disable": "webhook.disable", "rotate": "webhook.rotate",
    "test": "webhook.test", "redeliver": "webhook.redeliver", "redeliver-failed": "webhook.redeliver",
    "remove": "webhook.remove",
}  # fmt: skip
#: Parts and forms of a job's and a queue's page, by their parameters; each as hidden as its page.
JOB_PARTS = {"job", "why", "payload", "log", "kin"}
QUEUE_PARTS = {"why", "about"}


def literals(module: str) -> set[str]:
    return set(re.findall(r'action == "([a-z-]+)"', (PAGES / f"{module}.py").read_text()))


def test_the_table_knows_every_address():
    known = {str(each.pattern) for each in get_resolver("dashboard.urls").url_patterns}
    assert known == set(ROUTES) | OPEN | {"admin/"}


def test_the_table_knows_every_action():
    assert set(acts.ACTS) | literals("job/acting") == set(JOB_ACTIONS)
    assert all(acts.ACTS[name][0] == JOB_ACTIONS[name] for name in acts.ACTS)
    assert set(queue_acting.SWITCHES) | set(BULK_ACTIONS) | literals("queue/acting") == set(QUEUE_ACTIONS)
    assert set(selection.ACTIONS) == set(SELECTED)
    assert set(scheduler_acting.NAMES) == set(SCHEDULER_ACTIONS)
    assert set(workers.ACTS) == set(WORKER_ACTIONS)
    assert literals("search/page") == set(SEARCH_ACTIONS)
    assert set(groups.ACTIONS) == set(GROUP_ACTIONS)
    assert failure_acting.NEEDED == FAILURE_ACTIONS
    assert alert_acting.NEEDED == ALERT_ACTIONS
    assert set(operation_acting.NAMES) == set(OPERATION_ACTIONS)
    assert set(webhook_acting.NAMES) == set(WEBHOOK_ACTIONS)
    assert set(WEBHOOK_ACTIONS.values()) <= set(ACTIONS)
    assert set(operation_asking.OFFERED) == set(BEGUN)
    assert set(BEGUN.values()) | set(OPERATION_ACTIONS.values()) <= set(ACTIONS)
    assert set(job_parts.PARTS) == JOB_PARTS
    named = {*JOB_ACTIONS.values(), *QUEUE_ACTIONS.values(), *SCHEDULER_ACTIONS.values(), *WORKER_ACTIONS.values()}
    named |= set(SEARCH_ACTIONS.values())
    assert named - {None} <= set(ACTIONS)
    assert set(ACTIONS.values()) == set(ABILITIES)
    assert {needed for needed, _ in job_forms.FORMS.values()} <= set(ACTIONS)


# --- the cast


async def granted() -> Browser:
    """Everything on mails-*, nothing elsewhere."""
    browser = await signed_in("granted")
    user = await User.objects.aget(username="granted")
    await QueueGrant.objects.acreate(user=user, queue="mails-*", abilities=list(ABILITIES))
    return browser


async def anonymous_one() -> Browser:
    return Browser()


ROLE: dict[str, Callable[[], Any]] = {
    "anonymous": anonymous_one,
    "stranger": lambda: signed_in("stranger", is_staff=False),
    "nobody": lambda: signed_in("nobody"),
    "bare": lambda: signed_in("bare", "view"),
    "viewer": lambda: signed_in("viewer", group="viewer"),
    "operator": lambda: signed_in("operator", group="operator"),
    "admin": lambda: signed_in("admin", group="admin"),
    "root": lambda: signed_in("root", is_superuser=True),
}
HELD = {
    "anonymous": (), "stranger": (), "nobody": (), "bare": ("view",), "viewer": ROLES["viewer"],
    "operator": ROLES["operator"], "admin": ROLES["admin"], "root": tuple(ABILITIES),
}  # fmt: skip
TURNED_AWAY = {"anonymous": 302, "stranger": 403, "nobody": 403}


@pytest.fixture
def planted(connection, client_of_redis, prefix, transactional_db) -> Callable[[], dict[bytes, Any]]:
    """Jobs in a queue that all see and in one that some do not; gives what Redis holds, to be compared."""
    plant_webhook(1, SEEN, CARRIED)
    for number, queue in enumerate((SEEN, HIDDEN), 1):
        retried = Target.of_state("default", [queue], [State.FAILED])
        told = {"target": retried.to_json(), "queues": json.dumps([queue]), "actor": "somebody"}
        Operation.objects.create(pk=number, action="retry", **told)
        plant_alert(number, queue)
        plant_group(number, queue, message=CARRIED, kind=CARRIED, frame=CARRIED)
        fields = {"data": f'{{"x": "{CARRIED}"}}', "returnvalue": f'"{CARRIED}"', "progress": f'"{CARRIED}"'}
        failed = {"failedReason": CARRIED, "stacktrace": f'["Error: {CARRIED}\\n  at {CARRIED}"]'}
        plant_job(client_of_redis, prefix, queue, "1", **fields, **failed, defa=CARRIED)
        client_of_redis.rpush(f"{prefix}:{queue}:1:logs", CARRIED)

    def stored() -> dict[bytes, Any]:
        keys = sorted(client_of_redis.scan_iter(f"{prefix}:*:*", count=1000))
        return {key: client_of_redis.dump(key) for key in keys if b"toril" not in key}

    return stored


def addresses(queue: str = SEEN) -> dict[str, str]:
    return {pattern: path.format(queue=queue) for pattern, path in ROUTES.items()}


# --- seeing


@pytest.mark.parametrize("role", ROLE)
async def test_every_page_for_every_role(role, planted):
    browser, before = await ROLE[role](), planted()
    for pattern, path in addresses().items():
        for method in ("get", "head", "options") if role in TURNED_AWAY else ("get",):
            answer = await getattr(browser, method)(path)
            if role in TURNED_AWAY:
                is_own = pattern == "sign-out" and role != "anonymous"
                assert answer.status_code == (405 if is_own else TURNED_AWAY[role]), (pattern, method)
                continue
            needed = ACTIONS[NEEDS.get(pattern, "queue.view")]
            assert answer.status_code in ((200, 302, 303, 405) if needed in HELD[role] else (403, 405)), (
                pattern,
                method,
            )
    for path, needed in ADMIN.items():
        status = (await browser.get(path)).status_code
        assert status == TURNED_AWAY.get(role, 200 if ACTIONS[needed] in HELD[role] else 403), path
    assert planted() == before


@pytest.mark.parametrize("role", ["nobody", "bare"])
async def test_what_a_job_carries_reaches_nobody_who_may_not_read_it(role, planted):
    browser = await ROLE[role]()
    job = f"{BASE}/queue/{SEEN}/1"
    queries = [f"{job}?fragment={part}&show=data" for part in JOB_PARTS] + [f"{job}?show=data&view=raw"]
    queries += [
        f"{job}?field={field}" for field in ("data", "opts", "returnvalue", "failedReason", "stacktrace", "logs")
    ]
    queries += [f"{job}?form={form}" for form in job_forms.FORMS] + [f"{job}?fragment=log&find={CARRIED[:4]}"]
    queries += [f"{BASE}/queue/{SEEN}?{query}" for query in ("status=failed", "expand=1", "about", "fragment=about")]
    queries += [f"{BASE}/queue/{SEEN}?form=add&from=1", f"{BASE}/flows?queue={SEEN}&id=1", f"{BASE}/job-schedulers"]
    queries += [f"{BASE}/search?q={q}" for q in (CARRIED[:4], "is:live&format=csv", "is:live&format=jsonl")]
    for path in [*addresses().values(), *queries, *ADMIN]:
        for htmx in (False, True):
            answer = await browser.get(path, htmx=htmx)
            body = b"".join([piece async for piece in answer.streaming_content]) if answer.streaming else answer.content
            assert CARRIED.encode() not in body, path


async def test_filtering_is_no_way_to_find_out_what_one_may_not_read(planted):
    bare = await ROLE["bare"]()
    pages = [
        re.sub(rb"csrf\w*\"[^>]*>|nonce=\"[^\"]*\"|data-now=\"\d+\"", b"", (await bare.get(path)).content)
        for path in (f"{BASE}/queue/{SEEN}?status=failed&text={text}" for text in (CARRIED, "x" * len(CARRIED)))
    ]
    listed = [page.count(b'href="/admin/queues/queue/mails-1/1"') for page in pages]
    assert listed[0] == listed[1]


# --- acting


def posts(queue: str) -> list[tuple[str, dict[str, str], str | None]]:
    """Address, form and the action that it needs."""
    at, job = f"{BASE}/queue/{queue}", f"{BASE}/queue/{queue}/1"
    more = {"reveal": {"field": "data"}, "elsewhere": {"queue": queue}}
    told: list[tuple[str, dict[str, str], str | None]] = [
        (f"{job}?action={name}", more.get(name, {}), needed) for name, needed in JOB_ACTIONS.items()
    ]
    told += [(f"{at}?action={name}", {}, needed) for name, needed in QUEUE_ACTIONS.items() if name != "selected"]
    told += [
        (f"{at}?status=failed&action=selected&do={name}", {"id": "1"}, needed) for name, needed in SELECTED.items()
    ]
    group = 1 if queue == SEEN else 2
    told += [(f"{BASE}/failures/{group}?action={name}", {}, needed) for name, needed in FAILURE_ACTIONS.items()]
    told += [
        (f"{BASE}/alerts?action={name}", {"alert": str(group), "silence": str(group)}, ALERT_ACTIONS[name])
        for name in ("silence", "end-silence")
    ]
    told += [(f"{BASE}/operations/{group}?action={name}", {}, needed) for name, needed in OPERATION_ACTIONS.items()]
    told += [
        (f"{BASE}/operations/new", {"begin": "1", "do": do, "queue": queue, "id": "1", "to": queue}, needed)
        for do, needed in BEGUN.items()
    ]
    told += [
        (f"{BASE}/job-schedulers?action={name}&queue={queue}&id=s", {"queue": queue, "id": "s", "name": "s"}, needed)
        for name, needed in SCHEDULER_ACTIONS.items()
    ]
    return told


def site_posts() -> list[tuple[str, dict[str, str], str | None]]:
    told: list[tuple[str, dict[str, str], str | None]] = [
        (f"{BASE}/workers", {"do": name, "process": "none"}, needed) for name, needed in WORKER_ACTIONS.items()
    ]
    told += [
        (f"{BASE}/search?action={name}", {"q": "", "name": "", "view": "0"}, needed)
        for name, needed in SEARCH_ACTIONS.items()
    ]
    told += [
        (f"{BASE}/webhooks/1?action={name}", {"delivery": "1"}, needed) for name, needed in WEBHOOK_ACTIONS.items()
    ]
    told.append((f"{BASE}/webhooks/new", {"name": "x"}, "webhook.make"))
    service = {"whose": "service", "name": "x", "abilities": "view", "queues": "*"}
    told.append((f"{BASE}/keys/new", service, "key.make"))
    told += [
        (f"{BASE}/alerts?action={name}", {"rule": "1", "channel": "none"}, ALERT_ACTIONS[name])
        for name in ("make", "edit", "remove", "test")
    ]
    return [*told, (f"{BASE}/metrics-history", {"label": ""}, "deploy.mark")]


@pytest.mark.parametrize("role", [role for role in ROLE if role not in ("admin", "root")])
async def test_whoever_lacks_the_ability_does_nothing(role, planted):
    browser, before = await ROLE[role](), planted()
    for path, form, needed in [*posts(SEEN), *site_posts()]:
        if needed is not None and ACTIONS[needed] in HELD[role]:
            continue
        for htmx in (False, True) if role == "anonymous" else (True,):
            answer = await browser.post(path, form, htmx=htmx)
            if role == "anonymous":
                assert answer.status_code in (302, 401), path
            elif needed is not None or role in TURNED_AWAY:
                assert answer.status_code == 403, (path, answer.content[:300])
            if needed is not None and role not in TURNED_AWAY:
                assert "it needs the permission “toril." in answer.content.decode(), path
    assert planted() == before
    assert await AuditEntry.objects.acount() == 0


async def test_whoever_has_the_ability_is_not_refused_for_it(planted):
    root = await ROLE["root"]()
    for path, form, _needed in [*posts(SEEN), *site_posts()]:
        answer = await root.post(path, form, htmx=True)
        assert answer.status_code != 403, (path, answer.content[:300])


@pytest.mark.parametrize("whole_site", [True, False])
async def test_read_only_mode_stops_every_action_for_everyone(whole_site, planted, settings):
    root, before = await ROLE["root"](), planted()
    only = {"READ_ONLY": True} if whole_site else {"QUEUES": {SEEN: {"read_only": True}}}
    settings.TORIL = {**settings.TORIL, **only}
    for path, form, needed in [*posts(SEEN), *(site_posts() if whole_site else [])]:
        if needed is None or ACTIONS[needed] in LOOKING or needed == "deploy.mark":
            continue
        answer = await root.post(path, form, htmx=True)
        assert answer.status_code == 403, (path, answer.content[:300])
        assert "read-only" in answer.content.decode(), path
    assert planted() == before
    for page in (f"{BASE}/queue/{SEEN}?status=failed", f"{BASE}/queue/{SEEN}/1"):
        html = (await root.get(page)).content.decode()
        doing = re.findall(r'action="[^"]*[?&;]action=([a-z-]+)', html)
        assert set(doing) <= {"reveal"}, page


async def test_read_only_holds_below_the_pages_too(planted, settings):
    from queues.actions.actor import Actor
    from queues.actions.queues import pause_queue
    from queues.errors import ReadOnly

    settings.TORIL = {**settings.TORIL, "QUEUES": {SEEN: {"read_only": True}}}
    with pytest.raises(ReadOnly, match="read-only"):
        await pause_queue(Actor(None, "ana"), "default", SEEN)
    assert await AuditEntry.objects.acount() == 0
    await pause_queue(Actor(None, "ana"), "default", HIDDEN)


async def test_a_queue_may_be_closed_to_retries(planted, settings):
    root = await ROLE["root"]()
    settings.TORIL = {**settings.TORIL, "QUEUES": {SEEN: {"allow_retries": False}}}
    refused = await root.post(f"{BASE}/queue/{SEEN}/1?action=retry", htmx=True)
    assert refused.status_code == 403
    assert "allow_retries" in refused.content.decode()
    assert "action=retry" not in (await root.get(f"{BASE}/queue/{SEEN}/1")).content.decode()
    assert (await root.post(f"{BASE}/queue/{HIDDEN}/1?action=retry", htmx=True)).status_code == 200


# --- a hidden queue


def same(text: str, name: str) -> str:
    """A body without what is another at each answer."""
    text = text.replace(name, "QUEUE")
    return re.sub(
        r'nonce="[^"]*"|data-now="\d+"|csrfmiddlewaretoken" value="[^"]*"|since=\d+|datetime="[^"]*"', "", text
    )


async def test_a_hidden_queue_is_answered_as_one_that_does_not_exist(planted):
    browser, before = await granted(), planted()
    queries = ["", "?status=failed", "?confirm=retry-all", "?expand=1", "?fragment=why", "?fragment=about", "?form=add"]
    queries += [
        f"/1{query}" for query in ("", "?field=data", "?fragment=job", "?fragment=kin", "?form=edit", "?show=data")
    ]
    paths = [f"{BASE}/queue/{{queue}}{query}" for query in queries]
    paths += [f"{BASE}/queue?name={{queue}}", f"{BASE}/queue?name={{queue}}&id=1", f"{BASE}/flows?queue={{queue}}&id=1"]
    paths += [f"{BASE}/job-schedulers?queue={{queue}}", f"{BASE}/job-schedulers?queue={{queue}}&id=s"]
    paths += [f"{BASE}/metrics-history?queue={{queue}}", f"{BASE}/queue/{{queue}}?connection=default"]
    for path in paths:
        for method in ("get", "head", "options", "post", "put"):
            there, none = [await getattr(browser, method)(path.format(queue=name)) for name in (HIDDEN, "nowhere-xyz")]
            assert there.status_code == none.status_code, (path, method)
            if method == "get":
                assert there.status_code == 404, path
            assert same(there.content.decode(), HIDDEN) == same(none.content.decode(), "nowhere-xyz"), (path, method)
    for path, form, _needed in posts(HIDDEN):
        answer = await browser.post(path, form, htmx=True)
        assert answer.status_code in (403, 404), path
    assert planted() == before
    assert await AuditEntry.objects.acount() == 0


async def test_a_hidden_queue_is_named_nowhere(planted):
    from queues.models import Job, Queue

    for queue in (SEEN, HIDDEN):
        await Queue.objects.acreate(name=queue)
        await Job.objects.acreate(queue=queue, job_id="1", state="failed", name=f"of-{queue}")
        await AuditEntry.objects.acreate(actor="ana", action="job.retry", queue=queue, job_id="1")
    browser = await granted()
    paths = [*addresses().values(), *ADMIN, f"{BASE}/?q=hidden", f"{BASE}/jump?q=hidden", f"{BASE}/audit?q=hidden"]
    paths += [f"{BASE}/audit?format=csv", f"{BASE}/audit?format=jsonl", f"{BASE}/settings", f"{BASE}/check?run=1"]
    paths += [f"{BASE}/search?{q}" for q in ("q=hidden", "q=hidden&format=csv", "q=is:removed&format=jsonl")]
    paths += [f"{path}?q=hidden" for path in ADMIN] + [f"/admin/toril/job/?queue__exact={HIDDEN}"]
    for path in paths:
        answer = await browser.get(path)
        body = b"".join([piece async for piece in answer.streaming_content]) if answer.streaming else answer.content
        told = (
            body.decode()
            .replace("q=hidden", "")
            .replace('value="hidden"', "")
            .replace(f'value="{HIDDEN}"', "")
            .replace(f"queue__exact={HIDDEN}", "")
        )
        assert HIDDEN not in told, path
        assert "of-hidden" not in told, path
    assert SEEN in (await browser.get(f"{BASE}/")).content.decode()
    hidden = await Job.objects.aget(queue=HIDDEN)
    assert (await browser.get(f"/admin/toril/job/{hidden.pk}/change/")).status_code == 302


async def test_a_pattern_gives_what_it_says_where_it_says(planted):
    browser = await signed_in("clerk", "view")
    user = await User.objects.aget(username="clerk")
    grant = await QueueGrant.objects.acreate(user=user, queue="mails-?", abilities=["pause"])
    for queue, status in ((SEEN, 200), (HIDDEN, 403)):
        assert (await browser.post(f"{BASE}/queue/{queue}?action=pause", htmx=True)).status_code == status
    grant.connection = "other"
    await grant.asave()
    assert (await browser.post(f"{BASE}/queue/{SEEN}?action=resume", htmx=True)).status_code == 403
    await QueueGrant.objects.filter(pk=grant.pk).aupdate(abilities="nonsense", connection="*")
    assert (await browser.get(f"{BASE}/queue/{SEEN}")).status_code == 200
    assert (await browser.post(f"{BASE}/queue/{SEEN}?action=resume", htmx=True)).status_code == 403
