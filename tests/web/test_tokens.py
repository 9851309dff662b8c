"""Tokens of other systems: what is good is let in with what its claims give; every other one is 401, nothing breaks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest

from dashboard.credentials import keysets
from queues.options import reset_options
from tests.web.keyed import forget_callers, program
from tests.web.tokens import ISSUER, SECRET, claims, described, encoded, handmade, jwk, pem, token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]
WHO, QUEUE = "/api/who", "/api/who/mails-1"
VIEW = {"abilities": ["view"], "queues": ["*"]}


@pytest.fixture(autouse=True)
def _nothing_known():
    yield
    forget_callers()
    reset_options()


@pytest.fixture
def configured(settings):
    def configure(*issuers, **more):
        settings.TORIL = {**settings.TORIL, "CREDENTIALS": {"JWT": list(issuers), **more}}
        reset_options()
        keysets.forget()

    return configure


async def status(credential: str, path: str = WHO) -> int:
    return (await program(credential).get(path)).status_code


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
async def test_a_good_token_is_let_in_with_what_the_settings_give(configured, algorithm):
    configured(described(algorithm, GIVES={"abilities": ["retry"], "queues": ["mails-*"]}))
    told = (await program(token(algorithm)).get(QUEUE)).json()
    assert "job.retry" in told["may"]
    assert "job.remove" not in told["may"]
    who = (await program(token(algorithm)).get(WHO)).json()
    assert (who["actor"], who["caller"]) == ("jwt:ana", f"jwt:{ISSUER}|ana")
    assert who["expires"]


async def test_a_token_gives_nothing_that_is_neither_in_the_settings_nor_in_the_claims_they_name(configured):
    configured(described())
    assert await status(token()) == 403
    assert await status(token(scope="view", roles=["admin"], abilities=["view"])) == 403
    given = token(toril_abilities=["pause", "no-such"], toril_queues=["mails-*", 7, "x" * 300])
    assert "queue.pause" in (await program(given).get(QUEUE)).json()["may"]
    assert (await program(given).get("/api/who/chat")).status_code == 404
    # Abilities without queues, and queues without abilities.
    assert await status(token(toril_abilities=["view"])) == 403
    assert await status(token(toril_queues=["*"])) == 403


async def test_roles_and_claims_have_the_names_that_the_settings_say(configured):
    roles = {"ops": {"abilities": "operator", "queues": ["default:mails-*"]}}
    configured(described(ROLE_CLAIM="groups", ROLES=roles, ABILITIES_CLAIM="scope", QUEUES_CLAIM="q"))
    assert "job.retry" in (await program(token(groups=["dev", "ops"])).get(QUEUE)).json()["may"]
    assert await status(token(groups=["dev"])) == 403
    assert "queue.clean" in (await program(token(scope="view clean", q="mails-*")).get(QUEUE)).json()["may"]


async def test_a_bearer_bound_to_data_of_their_own_is_let_in_only_where_it_is_asked_for(configured):
    configured(described(GIVES=VIEW, OWN={"userId": "sub", "team": "team"}))
    bound = token(team=7)
    assert (await program(bound).get("/v1/jobs/who")).json()["own"] == {"userId": "ana", "team": "7"}
    assert await status(bound) == 403
    assert await status(token(), "/v1/jobs/who") == 401, "a claim to which its bearer would be bound is missing"


def corpus() -> dict[str, str]:
    """What is no good token of an issuer with HS256, and why."""
    now = int(time.time())
    good = token()
    header, payload, signature = good.split(".")
    public = pem("RS256").encode()
    return {
        "none": handmade({"alg": "none", "typ": "JWT"}, claims()),
        "None": handmade({"alg": "None", "typ": "JWT"}, claims()),
        "none with a dot": handmade({"alg": "none"}, claims()).rstrip(".") + ".",
        "none with a signature": ".".join([handmade({"alg": "none"}, {}).split(".")[0], payload, signature]),
        "no signature": f"{header}.{payload}.",
        "two parts": f"{header}.{payload}",
        "four parts": f"{good}.{signature}",
        "another secret": token(key="another secret of at least 256 bits, as it should be"),
        "another algorithm of its family": token("HS512", key=SECRET * 2),
        "another family": token("RS256"),
        "its payload exchanged": f"{header}.{encoded(json.dumps(claims(sub='eve')).encode())}.{signature}",
        "a bit of its signature": f"{header}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "expired": token(exp=now - 60),
        "no exp": token(exp=None),
        "exp as text": handmade_good(exp=str(now + 60)),
        "exp as a fraction": handmade_good(exp=now + 60.5),
        "exp without end": handmade_good(raw='"exp": 1e400'),
        "exp true": handmade_good(exp=True),
        "exp too far": token(exp=now + 10**6),
        "exp of a thousand digits": handmade_good(raw=f'"exp": {"9" * 1_000}'),
        "exp of ten thousand digits": handmade_good(raw=f'"exp": {"9" * 10_000}'),
        "not yet": token(nbf=now + 300),
        "nbf as text": handmade_good(nbf="soon"),
        "made in the future": token(iat=now + 300),
        "no audience": token(aud=None),
        "another audience": token(aud="grafana"),
        "other audiences": token(aud=["grafana", "argo"]),
        "an audience that is a number": handmade_good(aud=7),
        "no issuer": token(iss=None),
        "another issuer": token(iss="https://evil.example"),
        "an issuer that is a list": handmade_good(iss=[ISSUER]),
        "no subject": token(sub=None),
        "an empty subject": token(sub=""),
        "a subject that is a number": handmade_good(sub=7),
        "a subject with control characters": token(sub="ana\nroot"),
        "a long subject": token(sub="a" * 300),
        "crit": token(headers={"crit": ["exp"]}),
        "b64": signed_with(SECRET.encode(), header={"alg": "HS256", "b64": True}),
        "jku": token(headers={"jku": "https://evil.example/keys"}),
        "jwk": token(headers={"jwk": jwk("RS256", "1")}),
        "x5u": token(headers={"x5u": "https://evil.example/cert"}),
        "another type": token(headers={"typ": "refresh"}),
        "kid as a number": handmade({"alg": "HS256", "kid": 7}, claims(), b"x" * 32),
        "kid of a megabyte": token(headers={"kid": "../" * 5_000}),
        "its header no object": handmade([1], claims(), b"x"),
        "its payload no object": handmade({"alg": "HS256"}, "7", b"x"),
        "its payload no JSON": handmade({"alg": "HS256"}, "{", b"x"),
        "its payload no UTF-8": ".".join([header, encoded(b'{"iss": "\xff"}'), signature]),
        "nested deep": handmade({"alg": "HS256"}, "[" * 5_000, b"x"),
        "no base64": "a.b.c",
        "dots": "..",
        "nothing": "",
        "a megabyte": "a" * 1_000_000,
        "not ASCII": "ä.b.c",
        "HS256 signed with the public key": signed_with(public),
        "a key's beginning": "toril_",
        "a key that is none": "toril_abcdefgh_" + "x" * 43,
    }


def handmade_good(raw: str = "", **more: object) -> str:
    """Signed with the right secret, holding what the library would not write."""
    held = json.dumps(claims(**more))
    return signed_with(SECRET.encode(), held[:-1] + f", {raw}}}" if raw else held)


def signed_with(secret: bytes, payload: str = "", header: dict | None = None) -> str:
    first = encoded(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    body = f"{first}.{encoded((payload or json.dumps(claims())).encode())}"
    return f"{body}.{encoded(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


async def test_whatever_is_no_good_token_is_refused_alike_and_breaks_nothing(configured):
    configured(described(GIVES=VIEW))
    assert await status(token()) == 200
    assert await status(signed_with(SECRET.encode())) == 200, "the hand that signs the others can sign a good one"
    sentences = set()
    for name, bad in corpus().items():
        answer = await program(bad).get(WHO)
        assert answer.status_code == 401, name
        assert "Bearer" in answer["WWW-Authenticate"], name
        sentences.add(json.dumps(answer.json()))
    assert len(sentences) == 1, "the reason tells a stranger nothing"


async def test_a_public_key_is_never_taken_for_a_secret(configured):
    configured(described("RS256", GIVES=VIEW))
    public = pem("RS256").encode()
    assert await status(token("RS256")) == 200
    for secret in (public, public.strip(), public.replace(b"\n", b"")):
        assert await status(signed_with(secret)) == 401
    assert await status(token("HS256")) == 401
    assert await status(token("ES256")) == 401


async def test_each_issuer_is_asked_for_its_own_tokens_alone(configured):
    other = described("ES256", ISSUER="https://other.example", AUDIENCE=["x", "toril"], GIVES=VIEW, TYPE="at+jwt")
    configured(described(GIVES=VIEW), other)
    good = {"iss": "https://other.example", "headers": {"typ": "at+JWT"}}
    assert await status(token("ES256", **good)) == 200
    assert await status(token("HS256", **good)) == 401
    assert await status(token("ES256", headers={"typ": "at+JWT"})) == 401
    assert await status(token("ES256", iss="https://other.example")) == 401, "the type is missing"
    assert await status(token()) == 200


# --- key sets


class Issuer:
    """A real server that tells its keys, slowly or not at all where a test says so."""

    def __init__(self) -> None:
        self.keys: list[dict] = []
        self.body: bytes | None = None
        self.asked, self.status = 0, 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                body = json.dumps({"keys": outer.keys}).encode() if outer.body is None else outer.body
                self.send_response(outer.status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/keys"

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def issuer():
    server = Issuer()
    yield server
    server.stop()


async def test_an_issuers_keys_are_fetched_once_and_again_when_it_signs_with_a_new_one(configured, issuer, monkeypatch):
    configured(described("RS256", JWKS_URL=issuer.url, GIVES=VIEW))
    issuer.keys = [jwk("RS256", "old"), {"kty": "RSA", "kid": "broken", "n": "x"}, jwk("ES256", "curve")]
    first = token("RS256", headers={"kid": "old"})
    assert await asyncio.gather(*(status(first) for _ in range(10))) == [200] * 10
    assert issuer.asked == 1
    renewed = token("RS256", headers={"kid": "new"})
    assert [await status(renewed), await status(token("RS256", headers={"kid": "../../etc/passwd"}))] == [401, 401]
    assert issuer.asked == 1, "a stranger who names keys does not make us ask"
    issuer.keys = [jwk("RS256", "new")]
    monkeypatch.setattr(keysets, "SOONER_S", 0.0)
    assert await status(renewed) == 200
    assert [issuer.asked, await status(first)] == [2, 401]


async def test_an_issuer_that_is_away_is_believed_by_what_it_said_last(configured, issuer, monkeypatch):
    configured(described("EdDSA", JWKS_URL=issuer.url, GIVES=VIEW))
    issuer.keys = [jwk("EdDSA", "1")]
    assert await status(token("EdDSA")) == 200
    monkeypatch.setattr(keysets, "FRESH_S", 0.0)
    for issuer.status, issuer.body in ((500, b""), (302, b""), (200, b"{"), (200, b"[]"), (200, b" " * 300_000)):
        assert await status(token("EdDSA")) == 200
    assert issuer.asked == 6
    monkeypatch.setattr(keysets, "STALE_S", 0.0)
    answer = await program(token("EdDSA")).get(WHO)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "keys_unavailable")


async def test_keys_come_from_a_file_too_and_weak_or_foreign_ones_are_left_out(configured, tmp_path):
    file = tmp_path / "keys"
    for algorithm, text, expected in (
        ("RS256", pem("RS256"), 200),
        ("ES256", json.dumps(jwk("ES256", "1")), 200),
        ("HS256", SECRET + "\n", 200),
        ("HS256", "short\n", 503),
        ("HS256", json.dumps({"keys": [{"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode()}]}), 200),
        ("HS256", json.dumps({"keys": [{"kty": "oct", "k": "c2hvcnQ"}]}), 503),
        ("RS256", json.dumps({"keys": [jwk("RS256", "1") | {"use": "enc"}]}), 503),
        ("RS256", "no key at all", 503),
    ):
        file.write_text(text)
        configured(described(algorithm, KEY_FILE=str(file), GIVES=VIEW))
        assert await status(token(algorithm)) == expected, text[:60]
