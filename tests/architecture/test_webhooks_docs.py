"""docs/webhooks.md says what is told, the settings and bounds that the code keeps; its verifiers verify."""

from __future__ import annotations

import json
import re
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from queues.delivery import addresses, books, outbox, schedule, sealing, selecting, sender, sending, signing, steering
from queues.models.webhook import KINDS, TEST
from queues.options import WebhookOptions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
FLAT = " ".join(PAGE.split())
NOW = 1_614_265_330
#: The specification's own libraries are tested with it.
KNOWN = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}',
         "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")  # fmt: skip


def block(language: str, words: str) -> str:
    return next(code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if words in code)


def test_every_kind_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE)
    assert rows == [*KINDS, TEST]


def test_every_setting_has_its_row_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", PAGE, re.MULTILINE))
    assert set(rows) == set(import_module("queues.options.webhooks")._READERS)
    told = {name: json.loads(value.lower()) for name, value in rows.items() if name != "ALLOW"}
    default = WebhookOptions()
    kept = {name: getattr(default, name.lower()) for name in told}
    assert told == {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def test_the_bounds_are_those_of_the_code() -> None:
    default = WebhookOptions()
    assert f"within {default.timeout_s} s" in FLAT
    assert f"after {default.disable_after_h} hours of failures" in FLAT
    assert f"more than {default.most_waiting:,} deliveries wait" in FLAT
    assert f"for {default.keep_days} days" in FLAT
    assert f"gets {sender.OF_ONE} requests at once" in FLAT
    assert f"{sender.MOST} in all" in FLAT
    assert f"over {outbox.LONGEST_FIELD // 1024} kB is `null`" in FLAT
    assert f"read to {sending.MOST_READ // 1024} kB" in FLAT
    assert f"({sending.KEPT:,} characters" in FLAT
    assert f"by more than {selecting.CLOCKS.total_seconds():g} s" in FLAT
    assert f"at most {sending.CONNECT_S:g} s to connect" in FLAT
    assert "429, 502, 503 and 504" in FLAT
    assert {429, 502, 503, 504} == schedule.BUSY
    assert (schedule.JITTER, schedule.LONGEST_ASKED_S, sender.LONGEST_PAUSE_S) == (0.1, 86_400, 60)
    assert steering.OVERLAPS_H == (0, 24, 168)
    assert books.MARGIN.days >= 1
    assert addresses.PORTS == {"http": 80, "https": 443}


def cases() -> list[tuple[str, dict[str, str], bytes, bool]]:
    """(secret, headers, body, whether it is authentic): a hundred right ones, and each way to be wrong."""
    found = []
    for number in range(100):
        secret, body = sealing.new_secret(), json.dumps({"n": number, "text": "é" * number}).encode()
        told = signing.headers(f"msg_{number}", NOW - number, body, [sealing.new_secret()] * (number % 2) + [secret])
        found.append((secret, told, body, True))
    secret, told, body, _ = found[0]
    first = told["webhook-signature"]
    wrong: list[dict[str, str]] = [
        {"webhook-id": "msg_1"}, {"webhook-id": ""}, {"webhook-timestamp": str(NOW - 1)}, {"webhook-timestamp": "now"},
        {"webhook-signature": ""}, {"webhook-signature": first.replace("v1,", "v2,")},
        {"webhook-signature": first[:-3]}, {"webhook-signature": first[3:]},
    ]  # fmt: skip
    found += [(secret, told | change, body, False) for change in wrong]
    found += [(sealing.new_secret(), told, body, False)]
    for bit in range(8):
        found.append((secret, told, bytes([body[0] ^ 1 << bit]) + body[1:], False))
    old = signing.headers("msg_1", NOW - 301, body, [secret])
    return [*found, (secret, old, body, False)]


def test_the_signature_is_that_of_the_specification() -> None:
    secret, message_id, body, known = KNOWN
    assert signing.signature(message_id, NOW, body, secret) == known


def test_the_verifier_in_python_verifies() -> None:
    there: dict[str, Any] = {}
    exec(block("python", "is_authentic"), there)  # noqa: S102
    for secret, headers, body, wanted in cases():
        assert there["is_authentic"](secret, headers, body, NOW) is wanted, headers


@pytest.mark.node
def test_the_verifier_in_node_verifies(tmp_path: Path) -> None:
    program = block("js", "isAuthentic") + (
        "\nconst cases = JSON.parse(await new Response(process.stdin).text());"
        f"\nconsole.log(JSON.stringify(cases.map(([s, h, b]) => isAuthentic(s, h, Buffer.from(b, 'hex'), {NOW}))));"
    )
    (tmp_path / "verify.mjs").write_text(program)
    given = json.dumps([(secret, headers, body.hex()) for secret, headers, body, _ in cases()])
    done = subprocess.run(["node", "verify.mjs"], cwd=tmp_path, input=given, capture_output=True, text=True)
    assert json.loads(done.stdout or "[]") == [wanted for *_, wanted in cases()], done.stderr
