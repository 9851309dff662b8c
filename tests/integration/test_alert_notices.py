"""Who is told of what fires: grouped, silenced, not too often; by real mail, and by posts to a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core import mail
from django.utils import timezone

from queues.models import Alert, AlertNotice, AlertSilence, Delivery
from queues.options import reset_options
from tests.alerting import alerts, configured, earlier, known, looking, notices, sending
from tests.integration.test_webhooks import endpoint, maker
from tests.mirroring import add, redis

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
DEEP = {"KIND": "backlog", "FIRES": 1, "CLEARS": 0, "HOLD_S": 0, "COOLDOWN_S": 600}
OPS = {"ops": {"MAIL": ["ops@example.com", "night@example.com"]}}
EVIL = "m*<!channel>\r\nBcc: all@example.com\r\n&amp;"


class Chat(ThreadingHTTPServer):
    """Keeps what it is told; answers as `statuses` say, then 200."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook/secret-of-the-hook"


class Answering(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append(json.loads(body or b"{}"))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()
        self.wfile.write(b"no_service" if len(self.server.told) == 1 else b"ok")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def empty(connection: str, queue: str, prefix: str) -> None:
    await redis(connection, "DEL", f"{prefix}:{queue}:wait")


async def test_what_fires_together_is_told_together_and_what_clears_is_told_too(connection, settings, prefix):
    configured(settings, RULES={"Deep": DEEP}, CHANNELS=OPS, SITE="https://ops.example.com/toril/")
    await known("mails", "chat")
    await add(connection, "mails")
    await add(connection, "chat")
    async with looking() as duty, sending(duty) as sender:
        await duty.turn()
        await sender.turn()
        (told,) = mail.outbox
        assert told.to == ["ops@example.com", "night@example.com"]
        assert told.subject == "[Toril] Deep: 2 places"
        assert told.body.splitlines()[:2] == ["chat: 1 job waiting", "mails: 1 job waiting"]
        assert told.body.endswith("https://ops.example.com/toril/admin/queues/alerts")
        await empty(connection, "mails", prefix)
        await duty.turn()
        await sender.turn()
        await duty.turn()
        await sender.turn()
    assert [one.subject for one in mail.outbox[1:]] == ["[Toril] Cleared: Deep: mails"]
    assert all(alert.told_at for alert in await alerts())


async def test_it_waits_for_what_comes_with_it_and_tells_again_only_now_and_then(connection, settings):
    configured(settings, RULES={"Deep": DEEP}, CHANNELS=OPS, GROUP_WAIT_S=30, GROUP_EVERY_S=300)
    await known("mails", "chat", "late")
    await add(connection, "mails")
    async with looking() as duty:
        await duty.turn()
        assert [alert.held for alert in await alerts()] == ["group"]
        await add(connection, "chat")
        await duty.turn()
        await earlier(31)
        await duty.turn()
        (first,) = await notices()
        assert await first.alerts.acount() == 2
        await add(connection, "late")
        await duty.turn()
        await earlier(31)
        await duty.turn()
        assert len(await notices()) == 1
        await earlier(300)
        await duty.turn()
    assert len(await notices()) == 2


async def test_what_comes_back_within_its_cooldown_is_told_when_that_is_over(connection, settings, prefix):
    configured(settings, RULES={"Deep": DEEP}, CHANNELS=OPS)
    await known("mails")
    async with looking() as duty:
        for _ in range(2):
            await add(connection, "mails")
            await duty.turn()
            await empty(connection, "mails", prefix)
            await duty.turn()
        assert [notice.kind for notice in await notices()] == ["fired", "cleared"]
        await add(connection, "mails")
        await duty.turn()
        assert (await alerts())[-1].held == "cooldown"
        await earlier(601)
        await duty.turn()
    assert [notice.kind for notice in await notices()] == ["fired", "cleared", "fired"]


async def test_what_is_silenced_fires_and_is_told_when_the_silence_ends(connection, settings):
    configured(settings, RULES={"Deep": DEEP, "Other": DEEP | {"FIRES": 2, "CLEARS": 1}}, CHANNELS=OPS)
    await known("mails", "chat")
    await add(connection, "mails")
    until = timezone.now() + timedelta(hours=1)
    silence = await AlertSilence.objects.acreate(connection=connection, queue="mails", until=until, reason="move")
    async with looking() as duty:
        await duty.turn()
        (one,) = await alerts()
        assert (one.phase, one.held, one.held_until) == ("firing", "silence", until)
        assert await notices() == []
        await add(connection, "chat")
        await duty.turn()
        assert len(await notices()) == 1
        await AlertSilence.objects.filter(pk=silence.pk).aupdate(until=timezone.now())
        await duty.turn()
    assert len(await notices()) == 2


async def test_a_chat_is_told_in_words_that_command_nothing_and_tried_again_when_it_fails(connection, settings, chat):
    settings.TORIL = {**settings.TORIL, "WEBHOOKS": {"ALLOW": ["127.0.0.1"]}}
    configured(settings, RULES={"Deep": DEEP}, CHANNELS={"chat": {"SLACK": chat.url}})
    await known(EVIL)
    await add(connection, EVIL)
    chat.statuses = [503]
    async with looking() as duty, sending(duty) as sender:
        await duty.turn()
        await sender.turn()
        (notice,) = await notices()
        assert (notice.tries, notice.sent_at) == (1, None)
        assert notice.answer == "It answered 503. no_service."
        assert notice.due_at > timezone.now()
        await sender.turn()
        assert len(chat.told) == 1
        await AlertNotice.objects.aupdate(due_at=timezone.now())
        await sender.turn()
    (notice,) = await notices()
    assert notice.sent_at is not None
    assert "secret-of-the-hook" not in notice.answer + notice.text + notice.title
    text = chat.told[1]["text"]
    assert "<!" not in text
    assert "&lt;!channel&gt;" in text
    assert "\r" not in text


async def test_a_name_made_to_be_a_header_is_one_line_of_a_mail(connection, settings):
    configured(settings, RULES={"Deep": DEEP}, CHANNELS=OPS)
    await known(EVIL)
    await add(connection, EVIL)
    async with looking() as duty, sending(duty) as sender:
        await duty.turn()
        await sender.turn()
    (told,) = mail.outbox
    assert told.recipients() == ["ops@example.com", "night@example.com"]
    assert "\n" not in told.subject


async def test_what_cannot_be_sent_is_given_up_in_the_end_and_said(connection, settings):
    configured(settings, RULES={"Deep": DEEP}, CHANNELS={"chat": {"SLACK": "http://127.0.0.1:9/hook"}})
    await known("mails")
    await add(connection, "mails")
    async with looking() as duty, sending(duty) as sender:
        await duty.turn()
        for _ in range(9):
            await sender.turn()
            await AlertNotice.objects.filter(due_at__isnull=False).aupdate(due_at=timezone.now())
    (notice,) = await notices()
    assert (notice.tries, notice.is_given_up) == (8, True)
    assert notice.answer


async def test_where_nobody_is_to_be_told_that_is_known(connection, settings):
    configured(settings, RULES={"Deep": DEEP})
    await known("mails")
    await add(connection, "mails")
    async with looking() as duty:
        await duty.turn()
    (one,) = await alerts()
    assert (one.phase, one.held, one.told_at, one.to_tell) == ("firing", "nobody", None, "")


async def test_another_leader_does_not_send_what_one_has_taken(connection, settings):
    configured(settings, CHANNELS=OPS)
    now = timezone.now()
    await AlertNotice.objects.acreate(
        rule="x", kind="fired", channel="ops", title="t", text="t", made_at=now, due_at=now
    )
    async with looking() as duty, sending(duty) as one, sending(duty) as other:
        seen = await other.database.call(lambda: list(AlertNotice.objects.all()))
        await one.turn()
        await other._send(seen[0])
    assert len(mail.outbox) == 1


async def test_the_sign_of_life_is_given_only_while_rules_are_looked_at(connection, settings, chat):
    settings.TORIL = {**settings.TORIL, "WEBHOOKS": {"ALLOW": ["127.0.0.1"]}}
    configured(settings, HEARTBEAT_URL=chat.url)
    async with looking() as duty, sending(duty) as sender:
        await sender.turn()
        assert chat.told == []
        await duty.turn()
        await sender.turn()
        await sender.turn()
    assert chat.told == [{}]


async def test_what_is_kept_too_long_is_forgotten_and_what_fires_is_not(connection, settings):
    configured(settings, KEEP_DAYS=10)
    old = timezone.now() - timedelta(days=11)
    same = {"rule": "r", "rule_name": "r", "kind": "backlog", "connection": "default", "since": old, "seen_at": old}
    for number, phase in enumerate(("cleared", "firing")):
        await Alert.objects.acreate(digest=str(number), phase=phase, cleared_at=old, fires=1, clears=0, **same)
    async with looking("elsewhere") as duty:
        await duty.turn()
    assert [alert.phase for alert in await alerts()] == ["firing"]
    reset_options()


async def test_a_webhook_hears_of_the_queues_that_its_maker_sees_and_once(connection, settings, prefix):
    configured(settings, RULES={"Deep": DEEP}, SITE="https://ops.example.com")
    await known("mails", "secret")
    sees_all, sees_mails = await maker(), await maker("mia", "view", "webhooks", queue="mails")
    for user, kinds in ((sees_all, ["alert.fired", "alert.cleared"]), (sees_mails, ["alert.fired"])):
        await endpoint(user, "https://example.com/hook", kinds)
    for queue in ("mails", "secret"):
        await add(connection, queue)
    async with looking() as duty:
        await duty.turn()
        await empty(connection, "mails", prefix)
        await duty.turn()
        await duty.turn()
    rows = [row async for row in Delivery.objects.select_related("endpoint").order_by("pk")]
    heard = sorted((row.endpoint.maker_name, row.kind, row.queue) for row in rows)
    assert heard == [
        ("mia", "alert.fired", "mails"), ("root", "alert.cleared", "mails"), ("root", "alert.fired", "mails"),
        ("root", "alert.fired", "secret"),
    ]  # fmt: skip
    told = json.loads(next(row.body for row in rows if row.queue == "secret"))["data"]
    assert (told["kind"], told["value"], told["unit"], told["firesAt"]) == ("backlog", 1, "jobs", 1)
    assert told["summary"] == "secret: 1 job waiting"
    assert told["url"].startswith("https://ops.example.com/admin/queues/alerts/")
    assert [(notice.channel, notice.kind) for notice in await notices()] == [
        ("webhooks", "fired"),
        ("webhooks", "cleared"),
    ]
