"""Inputs to begin with: what is ordinary for each parser, and what broke such parsers elsewhere."""

from __future__ import annotations

import json

import jwt

from tests.listening import AUDIENCE, ISSUER, SECRET

JOB = json.dumps({"to": "ana@example.com", "password": "hunter2", "n": [1, 2.5, None, True], "deep": {"a": {"b": "c"}}})
OPTIONS = json.dumps({"attempts": 3, "backoff": {"type": "exponential", "delay": 1000}, "delay": 5, "removeOnFail": 7})
STACK = "Error: boom\n    at work (/app/jobs.js:3:14)\n    at async Worker.run (/app/node_modules/bullmq/x.js:1:2)"
TRACE = 'Traceback (most recent call last):\n  File "/app/jobs.py", line 3, in work\n    x()\nValueError: no'
BEAT = json.dumps({"name": "w", "host": "h", "pid": 1, "state": "running", "queues": [{"queue": "q", "slots": 2}]})
RULE = ["0*/5 * * * *", "1Europe/Berlin", "2work", '3{"a":1}', "41700000000000", "51800000000000", "63600000"]
CRONS = [
    "*/5 * * * *",
    "0 0 29 2 *",
    "H H(0-7) * * 1-5",
    "0 0 L * 5#3",
    "@daily",
    "* * * * * *\nEurope/Berlin",
    "60 * * * *",
]
SEARCHES = [
    'queue:chat state:failed data.user.id:42 since:2h "free text"',
    '-error:"a b",c',
    'name:x,"y z" attempts:>=3',
]
FORM = '{"connection":"default","kind":"state","before_ms":1,"queues":["chat"],"states":["failed"]}'
SAID = '{"action":"subscribe","queue":"chat","since":"1700000000000-0:chat","events":["job:failed"],"userId":"a"}'
URLS = [
    "https://hooks.example.com/x?y=1", "http://[::ffff:127.0.0.1]/", "http://0x7f.1/", "http://a@b/", "https://ｅ.com/",
    "http://2130706433/", "gopher://x", "https://x:99999/", "http://127。0。0。1/", "https://a.b\\@c/", "//x", "https:///x",
]  # fmt: skip
TOKEN = jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": 1}, SECRET, algorithm="HS256")
INFO = "redis_version:7.0\r\nused_memory:12\r\nmaxmemory:0\r\ndb0:keys=1,expires=0\r\n"
ORDINARY = [
    JOB, OPTIONS, STACK, TRACE, BEAT, *CRONS, *SEARCHES, FORM, SAID, *URLS, TOKEN, INFO, json.dumps([STACK, TRACE]),
    "[[1,1700000000000,1700000001000,\"w\"]]", "localhost:8000\nhttp://localhost:8000", "eyJhIjoxfQ", "token=abc",
    "\x1b[31mred\x1b[0m ERROR x", "=1+1", 'a"} evil{x="', "1700000000000-0:ch%2Fat", 'W/"abc", "d"',
    "Bearer abcdefgh123",
]  # fmt: skip
#: What other parsers fell over.
ODD = [
    b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b'"\\ud800"', b"NaN", b"1e999", b"-Infinity", b"1" * 5_000,
    b'{"a":1,"a":2}', b"[" * 500, b'{"a":' * 500, b"\xe2\x80\xa8", "\u202e".encode(), "٣".encode(), "½".encode(),
    b'{"__proto__":1}', b"%00%2e%2e%2f", b"9" * 400, b"0x1f", b"1_000", b" 1", b"+1", b"-0", b"1e5", b"\xc2\xa0",
]  # fmt: skip
#: 32 KB each: what costs more than it is long.
BOMBS = [
    b"[" * 32_500, b'{"a":' * 6_500, b'"' * 32_500, b"\\" * 32_500, b"9" * 32_500, b"a" * 32_500, b" " * 32_500,
    b"a:" * 16_000, b"-" * 32_500, b'\\"' * 16_000, b"{}" * 16_000, b"[]," * 10_500, b"=" * 32_500, b"\n" * 32_500,
    b"eyJ" * 10_500, b"a@" * 16_000, b"://" * 10_500, b"4111 " * 6_500, b"  at x (" * 4_000, b"(" * 32_500,
    b'password="' * 3_250, b"--a " * 8_000, b"Bearer " * 4_500, b"\xef\xbf\xbd" * 10_500, b"\xff" * 32_500,
    b"*," * 16_000, b"1-2/3," * 5_000, b"%2F" * 10_500, b"\x1b[" * 16_000, b"a=b;" * 8_000,
    b"-----BEGIN A-----" * 1_900,
    b'  File "' * 4_000, b"<n>" * 10_500, b"\xfe" * 32_500, b"https://a:" * 3_250, b".," * 16_000, b'"a":' * 8_000,
]  # fmt: skip


def seeds() -> list[bytes]:
    """The ordinary ones, each as it is, as the second of several values, and as a rule's; then the odd ones."""
    plain = [each.encode("utf-8", "surrogatepass") for each in ORDINARY]
    rule = "".join(RULE).encode()
    hashes = [b"\xfe".join(bytes([at]) + piece for at, piece in enumerate(plain[:6])), rule.replace(b"*", b"\xfe*")]
    return [*plain, *(b"1\xfe" + each for each in plain), *hashes, *ODD]
