"""Failures of one cause have one fingerprint, and those of two have two."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queues.fingerprints import LONGEST_MESSAGE, Fingerprint, fingerprint, normalised
from tests.failing import node_stack, python_stack

SAME = [
    ("no answer within 30 s", "no answer within 1,204.5 s"),
    ("user 7 of tenant_12", "user 123456 of tenant_9"),
    ("job 9b2f1c3e-1b2c-4d5e-8f90-1234567890ab is gone", "job 00000000-1b2c-4d5e-8f90-00000000000f is gone"),
    ("session V1StGXR8_Z5jdHi6B-myT ended", "session 4f90-13a42hKd8sQp7xY2z ended"),
    ("hash deadbeef01 differs", "hash 0a1b2c3d4e5f differs"),
    ("GET https://api.example.com/v1/users/7?x=1 failed", "GET http://10.1.2.3:80/other failed"),
    ("cannot open '/var/tmp/a-1/b.pdf'", "cannot open '/srv/x.pdf'"),
    ("cannot open 'C:\\Users\\x\\a.pdf'", "cannot open 'D:\\b.pdf'"),
    ("cannot open 'uploads/7/a.pdf'", "cannot open 'uploads/2026/11/b.pdf'"),
    ("connect ECONNREFUSED 10.0.0.1:6379", "connect ECONNREFUSED 127.0.0.1:80"),
    ("expired at 2026-11-23T10:00:00.123Z", "expired at 2025-01-01 00:00:00+01:00"),
    ("no mailbox ana@example.com", "no mailbox bob.b+x@mail.example.org"),
    ("missing ids [1, 2, 3]", "missing ids [7, 8]"),
    ("offset -5 is wrong", "offset 7 is wrong"),
]
DIFFERENT = [
    ("Request failed with status code 404", "Request failed with status code 500"),
    ("HTTP 429 from upstream", "HTTP 503 from upstream"),
    (
        "404 Client Error: Not Found for url: https://x.example/a",
        "500 Server Error: Internal for url: https://x.example/a",
    ),
    ("'choices'", "'usage'"),
    ("relation users does not exist", "relation jobs does not exist"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_from_job_to_job_makes_no_other_cause(one, other):
    assert normalised(one)[0] == normalised(other)[0]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_tells_causes_apart_is_kept(one, other):
    assert normalised(one)[0] != normalised(other)[0]


@pytest.mark.parametrize("stack", [python_stack, node_stack])
def test_the_innermost_frame_of_ones_own_code_belongs_to_the_cause_and_its_line_does_not(stack):
    def told(function: str, line: str = "10") -> Fingerprint:
        made = (
            stack("app.PlanError", "tenant 4", function).replace(":10:", f":{line}:").replace("line 12", f"line {line}")
        )
        return fingerprint("bill", "tenant 4", json.dumps([made]))

    assert told("charge").digest == told("charge", "77").digest
    assert told("charge").digest != told("refund").digest
    assert told("charge").kind == "PlanError"
    assert told("charge").frame.endswith("charge")
    assert "node_modules" not in told("charge").frame
    assert "httpx" not in told("charge").frame


def test_another_release_in_another_folder_is_the_same_cause():
    one = python_stack("E", "x")
    other = one.replace("/srv/releases/20261123/app", "/home/deploy/releases/20261201/app")
    assert fingerprint("n", "x", json.dumps([one])) == fingerprint("n", "x", json.dumps([other]))


def test_the_newest_stack_counts_and_of_chained_errors_the_last():
    older, newer = python_stack("AError", "x", "first"), python_stack("BError", "x", "second")
    assert fingerprint("n", "x", json.dumps([older, newer])).kind == "BError"
    chained = f"{older}\nThe above exception was the direct cause of the following exception:\n\n{newer}"
    told = fingerprint("n", "x", json.dumps([chained]))
    assert (told.kind, told.frame) == ("BError", "*/mail/jobs.py second".replace("*", "app"))


def test_the_type_is_known_from_the_message_where_no_stack_is_kept():
    assert fingerprint("n", "TimeoutError: no answer", "").kind == "TimeoutError"
    assert fingerprint("n", "TimeoutError: no answer", "").message == "no answer"
    assert fingerprint("n", "Note: this is prose", "[]").kind == "Note"
    assert fingerprint("n", "", "").digest == fingerprint("n", "", "null").digest


def test_a_value_can_be_told_apart_again():
    three, four = (fingerprint("n", f"tenant {t} has no plan {t * 9}", "") for t in (3, 4))
    assert three.digest == four.digest
    assert three.finer([0]).digest != four.finer([0]).digest
    assert four.finer([0]).message == "tenant 4 has no plan <n>"
    assert four.finer([7]).digest == four.digest


def test_a_name_with_an_id_in_it_is_one_name():
    assert fingerprint("report-20261123", "x", "").digest == fingerprint("report-20261124", "x", "").digest
    assert fingerprint("step-1", "x", "").digest != fingerprint("step-2", "x", "").digest


def test_of_a_long_name_little_is_read():
    assert fingerprint("a" * 2_000 + "1", "boom", "").name == "a" * 200


def test_no_secret_is_in_what_is_kept():
    told = fingerprint(
        "n", "login failed: password=hunter2-very", json.dumps([node_stack("E", "password=hunter2-very")])
    )
    assert "hunter2" not in f"{told}"


@settings(max_examples=200)
@given(st.text(max_size=3_000), st.text(max_size=300))
def test_whatever_a_job_failed_with_has_a_short_fingerprint(reason, stack):
    for stored in (stack, json.dumps([stack]), json.dumps([reason])):
        told = fingerprint(reason[:80], reason, stored)
        assert len(told.message) <= LONGEST_MESSAGE
        assert len(told.digest) == 32
        assert told.finer(range(9)).digest
        assert told == fingerprint(reason[:80], reason, stored)
