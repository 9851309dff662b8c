"""Versions below which a package has a known hole, and an audit that never says “clean” for what it did not ask.

This needs no network: where the audit of bin/test cannot reach its service, these are what gates.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from house import audit

ROOT = Path(__file__).resolve().parents[2]
#: Package → the first version without it, and what it was. A later line's floor is never lower.
FLOORS = {
    "django": ("5.2.14", "CVE-2026-33034, CVE-2026-5766: bodies past their limit"),
    "daphne": ("4.2.2", "CVE-2026-44545, CVE-2026-44546: messages without end, smuggled headers"),
    "channels": ("3.0.3", "CVE-2020-35681: another request's answer"),
    "redis": ("4.5.5", "CVE-2023-28858, CVE-2023-28859: another caller's reply"),
    "pyjwt": ("2.12.0", "GHSA-752w-5fwx-jx9f: `crit` ignored"),
    "websockets": ("9.1", "CVE-2021-33880: timing of passwords"),
    "h11": ("0.16.0", "CVE-2025-43859: bodies in lax chunks"),
    "twisted": ("24.7.0", "CVE-2024-41671, CVE-2024-41810: answers out of order, markup in redirects"),
    "sqlparse": ("0.5.4", "CVE-2024-4340 and later: recursion without end"),
    "cryptography": ("44.0.1", "CVE-2024-12797 in its OpenSSL"),
    "certifi": ("2024.7.4", "CVE-2024-39689: an issuer no longer trusted"),
    "idna": ("3.7", "CVE-2024-3651: names that take minutes"),
    "urllib3": ("2.6.3", "CVE-2025-66418 and later: bombs of compression"),
    "requests": ("2.32.4", "CVE-2024-47081: .netrc to another host"),
    "werkzeug": ("3.0.6", "CVE-2024-49767: forms without end"),
    "authlib": ("1.6.5", "CVE-2025-59420, CVE-2025-61920: `crit` ignored, tokens of megabytes"),
    "pyopenssl": ("26.0.0", "its floor of cryptography"),
}
PINS = {
    found[1].lower(): found[2]
    for name in ("requirements.txt", "tests/requirements.txt")
    for found in re.finditer(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_no_package_is_older_than_its_known_holes(package: str) -> None:
    floor, why = FLOORS[package]
    assert Version(PINS[package]) >= Version(floor), why
    assert Version(version(package)) >= Version(floor), why


def test_every_package_is_pinned_to_one_version() -> None:
    lines = [
        line.partition("#")[0].strip()
        for name in ("requirements.txt", "tests/requirements.txt")
        for line in (ROOT / name).read_text().splitlines()
    ]
    loose = [line for line in lines if line and not line.startswith("-r ") and not re.match(r"[\w.-]+==[\w.]+", line)]
    assert loose == []


DJANGO = {"name": "django", "version": "5.2.1"}
HOLE = {"id": "CVE-2026-1", "fix_versions": ["5.2.9"]}


def told(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": packages})


def test_an_audit_that_was_answered_for_every_package_is_clean_or_names_the_holes() -> None:
    assert audit.verdict(told(DJANGO | {"vulns": []}), "") == ""
    assert audit.verdict(told(DJANGO | {"vulns": [HOLE]}), "") == "django 5.2.1: CVE-2026-1, mended in 5.2.9"
    some = audit.verdict(told(DJANGO | {"vulns": [HOLE]}, {"name": "redis", "skip_reason": "away"}), "")
    assert some.splitlines()[1] == "redis could not be asked about"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (told({"name": "redis", "skip_reason": "away"}), "1 of 1 packages could not be asked about, redis first"),
        (told(DJANGO | {"vulns": []}, {"name": "redis", "skip_reason": "away"}), "1 of 2 packages"),
        (told(), "nothing to ask about"),
        ("", "ConnectionError: away"),
        ("No known vulnerabilities found", "ConnectionError: away"),
        ("[]", "ConnectionError: away"),
    ],
)
def test_an_audit_that_left_anything_out_is_not_run(answer: str, why: str) -> None:
    with pytest.raises(audit.NotRun, match=why):
        audit.verdict(answer, "Traceback\nConnectionError: away")
