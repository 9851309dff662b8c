"""`queues add|pause|resume|retry|promote|clean|drain|cancel|quiet`: what they do, and what they only say they would."""

from __future__ import annotations

import getpass
import json
import socket
import time

import pytest

from queues.console import bulk, session
from queues.console.exits import Exit
from queues.models import AuditEntry
from tests.console import plant, queues
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.working import Sight

pytestmark = pytest.mark.django_db(transaction=True)


def dump(sight: Sight) -> dict[bytes, bytes]:
    """Everything under the test's prefix, byte by byte."""
    return {key: sight.client.dump(key) for key in sight.client.scan_iter(f"{sight.keys.prefix}:*")}


# --- add


def test_add_takes_json_from_the_argument_a_file_or_standard_input(connection, sight, tmp_path):
    file = tmp_path / "data.json"
    file.write_text('{"from": "file"}')
    for given, stdin, data in (
        ('{"n": [1, "é"]}', None, {"n": [1, "é"]}),
        (f"@{file}", None, {"from": "file"}),
        ("-", '{"from": "stdin"}', {"from": "stdin"}),
        ("null", None, None),
        (None, None, {}),
    ):
        ran = queues("add", "chat", "greet", *([given] if given else []), "--json", stdin=stdin)
        assert ran.code == 0, ran.err
        job = sight.job(ran.json["id"])
        assert (job["name"], json.loads(job["data"])) == ("greet", data)
    assert queues("add", "chat", "greet").out == "Job “6” was added to queue “chat”.\n"


def test_add_takes_options(connection, sight):
    ran = queues(
        *("add", "chat", "greet", "1", "--job-id", "mine", "--delay", "2h", "--attempts", "3"),
        *("--backoff", '{"type": "exponential", "delay": 500}', "--options", '{"keep_logs": 7}', "--json"),
    )
    assert ran.json["id"] == "mine"
    opts = json.loads(sight.job("mine")["opts"])
    assert (opts["delay"], opts["attempts"], opts["kl"]) == (7_200_000, 3, 7)
    assert opts["backoff"] == {"type": "exponential", "delay": 500}
    assert sight.ids("delayed") == ["mine"]
    first = queues("add", "chat", "greet", "--priority", "5", "--json").json["id"]
    assert sight.ids("prioritized") == [first]
    queues("add", "chat", "a")
    lifo = queues("add", "chat", "b", "--lifo", "--json").json["id"]
    assert sight.ids("wait")[-1] == lifo


def test_who_added_is_recorded_without_the_data(connection):
    queues("add", "chat", "greet", '{"password": "secret"}', "--attempts", "2")
    row = AuditEntry.objects.get()
    assert (row.actor, row.action, row.outcome) == (f"{getpass.getuser()}@{socket.gethostname()}", "job.add", "done")
    assert json.loads(row.parameters) == {"name": "greet", "options": {"attempts": 2}, "job_id": "1"}
    assert "secret" not in row.parameters + row.message
    assert row.user_id is None


# --- queues


def test_pause_and_resume_several_queues(connection, sight):
    for name in ("chat", "mails"):
        plant(plant_waiting(connection, name))
    ran = queues("pause", "chat", "mails")
    assert (ran.code, ran.lines) == (0, ["Queue “chat” is paused.", "Queue “mails” is paused."])
    assert sight.client.hget(sight.keys("meta"), "paused") == b"1"
    results = queues("resume", "chat", "nope", "--json")
    assert results.code == Exit.REFUSED
    assert [(one["queue"], one.get("error", {}).get("code")) for one in results.json["results"]] == [
        ("chat", None),
        ("nope", "queue_not_found"),
    ]
    assert queues("pause", "nope").code == Exit.NOT_FOUND


# --- jobs by id


def test_retry_and_promote_by_id(connection, sight):
    plant_failed(sight.client, sight.keys.prefix, "chat", 3)
    ran = queues("retry", "chat", "1", "3")
    assert (ran.code, sight.ids("failed"), sorted(sight.ids("wait"))) == (0, ["2"], ["1", "3"])
    some = queues("retry", "chat", "2", "77")
    assert (some.code, sight.ids("failed")) == (Exit.REFUSED, [])
    assert "has no job “77”" in some.err
    assert queues("retry", "chat", "1").code == Exit.REFUSED
    (later,) = plant(plant_delayed(connection, "mails"))
    assert queues("promote", "mails", later).code == 0
    assert sight.client.lrange(f"{sight.keys.prefix}:mails:wait", 0, -1) == [later.encode()]


# --- many


def test_many_are_not_touched_without_consent(connection, sight):
    plant_failed(sight.client, sight.keys.prefix, "chat", 5)
    plant(plant_waiting(connection, "chat", 5))
    plant(plant_delayed(connection, "chat", 5))
    before = dump(sight)
    for arguments in (
        ["retry", "chat", "--all"],
        ["promote", "chat", "--all"],
        ["clean", "chat", "--state", "failed"],
        ["drain", "chat", "--delayed"],
    ):
        ran = queues(*arguments)
        assert ran.code == Exit.REFUSED
        assert "5" in ran.err
        assert "--yes" in ran.err
    assert dump(sight) == before
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("yes", 0), ("", 5), ("n", 5), (None, 5)])
def test_at_a_terminal_it_asks(connection, sight, monkeypatch, answer, left):
    plant_failed(sight.client, sight.keys.prefix, "chat", 5)
    monkeypatch.setattr(session, "is_interactive", lambda: True)
    ran = queues("clean", "chat", "--state", "failed", stdin=None if answer is None else f"{answer}\n")
    assert "Remove 5 failed jobs." in ran.err
    assert "Do it? [y/N]" in ran.err
    assert len(sight.ids("failed")) == left
    assert ran.code == (Exit.DONE if left == 0 else Exit.REFUSED)


def test_retry_all_of_a_state(connection, sight):
    plant_failed(sight.client, sight.keys.prefix, "chat", 500)
    ran = queues("retry", "chat", "--all", "--yes")
    assert (ran.code, ran.out) == (0, "500 failed jobs retried.\n")
    assert len(sight.ids("wait")) == 500
    row = AuditEntry.objects.get()
    assert (row.action, row.affected) == ("queue.retry_all", 500)
    assert queues("retry", "chat", "--all").out == "There are no failed jobs to retry.\n"


def test_promote_all(connection, sight):
    plant(plant_delayed(connection, "chat", 7))
    assert queues("promote", "chat", "--all", "--yes").out == "7 delayed jobs promoted.\n"
    assert len(sight.ids("wait")) == 7


def test_clean_spares_the_younger_and_stops_at_its_limit(connection, sight):
    plant_failed(sight.client, sight.keys.prefix, "chat", 10)
    old = int(time.time() * 1000) - 3 * 86_400_000
    sight.client.zadd(sight.keys("failed"), {str(n): old + n for n in range(1, 7)})
    ran = queues("clean", "chat", "--state", "failed", "--older-than", "2d", "--limit", "4", "--yes", "--json")
    (result,) = ran.json["results"]
    assert (ran.code, result["done"], result["count"], result["finished"]) == (0, 4, 4, True)
    assert sight.ids("failed") == ["5", "6", "7", "8", "9", "10"]
    assert "older than 2 days" in queues("clean", "chat", "--state", "failed", "--older-than", "48h", "--dry-run").out
    queues("clean", "chat", "--state", "failed", "--older-than", "2d", "--yes")
    assert sight.ids("failed") == ["7", "8", "9", "10"]


def test_drain_takes_the_delayed_only_where_it_is_told_to(connection, sight):
    plant(plant_waiting(connection, "chat", 3))
    plant(plant_delayed(connection, "chat", 2))
    assert queues("drain", "chat", "--yes").code == 0
    assert (sight.ids("wait"), len(sight.ids("delayed"))) == ([], 2)
    plant(plant_waiting(connection, "chat", 3))
    ran = queues("drain", "chat", "--delayed", "--yes")
    assert (ran.code, len(ran.lines)) == (0, 2)
    assert (sight.ids("wait"), sight.ids("delayed")) == ([], [])
    assert queues("drain", "nope", "--yes").code == Exit.NOT_FOUND


def test_long_work_says_how_far_it_is(connection, sight, monkeypatch):
    monkeypatch.setattr(bulk, "SAY_EVERY_S", 0.0)
    plant_failed(sight.client, sight.keys.prefix, "chat", 700)
    ran = queues("retry", "chat", "--all", "--yes")
    assert ran.out == "700 failed jobs retried.\n"
    assert "250 of 700 …" in ran.err


# --- only saying it


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "chat", "greet", '{"n": 1}'],
        ["pause", "chat"],
        ["resume", "chat"],
        ["retry", "chat", "1", "2"],
        ["retry", "chat", "--all"],
        ["promote", "chat", "LATER"],
        ["promote", "chat", "--all"],
        ["clean", "chat", "--state", "failed", "--limit", "1"],
        ["drain", "chat", "--delayed"],
    ],
    ids=" ".join,
)
def test_a_dry_run_says_what_would_be_done_and_does_nothing(connection, sight, arguments):
    plant_failed(sight.client, sight.keys.prefix, "chat", 3)
    plant(plant_waiting(connection, "chat", 4))
    (later,) = plant(plant_delayed(connection, "chat"))
    arguments = [later if one == "LATER" else one for one in arguments]
    before = dump(sight)
    ran = queues(*arguments, "--dry-run")
    assert ran.code == 0
    assert ran.out.startswith("Dry run: ")
    assert queues(*arguments, "--dry-run", "--json").code == 0
    assert dump(sight) == before
    assert not AuditEntry.objects.exists()


def test_a_dry_run_counts(connection, sight):
    plant_failed(sight.client, sight.keys.prefix, "chat", 1_234)
    assert queues("retry", "chat", "--all", "--dry-run").out == "Dry run: Retry 1,234 failed jobs.\n"
    (plan,) = queues("retry", "chat", "--all", "--dry-run", "--json").json["plans"]
    assert (plan["count"], plan["is_least"]) == (1_234, False)


def test_a_dry_run_finds_out_what_would_be_refused(connection, sight):
    plant_failed(sight.client, sight.keys.prefix, "chat", 1)
    ran = queues("promote", "chat", "1", "--dry-run")
    assert ran.code == Exit.REFUSED
    assert "would not be promoted: it is failed" in ran.err
    assert queues("retry", "chat", "77", "--dry-run").code == Exit.NOT_FOUND
    assert queues("pause", "nope", "--dry-run").code == Exit.NOT_FOUND
    assert queues("add", "chat", "greet", "--priority", "-1", "--dry-run").code == Exit.USAGE
    (waiting,) = plant(plant_waiting(connection, "mails"))
    assert queues("cancel", "mails", waiting, "--dry-run").code == Exit.REFUSED


def test_without_a_database_nothing_is_done(connection, sight):
    from django.db import connection as database

    plant_failed(sight.client, sight.keys.prefix, "chat", 1)
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE toril_auditentry RENAME TO hidden")
    try:
        ran = queues("retry", "chat", "1")
    finally:
        with database.cursor() as cursor:
            cursor.execute("ALTER TABLE hidden RENAME TO toril_auditentry")
    assert ran.code == Exit.REFUSED
    assert "Nothing was done" in ran.err
    assert sight.ids("failed") == ["1"]


def test_workers_that_are_not_there_cannot_be_asked(connection, sight):
    (waiting,) = plant(plant_waiting(connection, "chat"))
    assert queues("cancel", "chat", waiting).code == Exit.REFUSED
    assert queues("cancel", "chat", "nope").code == Exit.NOT_FOUND
    assert queues("quiet", "anna").code == Exit.NOT_FOUND
    assert queues("resume-workers", "--all", "--yes").code == Exit.NOT_FOUND
