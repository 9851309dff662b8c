"""An issuer for tests: keys of each family, tokens signed with them, and what the settings say of it."""

from __future__ import annotations

import base64
import json
import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER, AUDIENCE = "https://id.example", "toril"
SECRET = "a secret of this test that has at least 256 bits"
GENERATED = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@cache
def private_key(algorithm: str) -> Any:
    return SECRET if algorithm.startswith("HS") else GENERATED[algorithm]()


def pem(algorithm: str) -> str:
    public = private_key(algorithm).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(algorithm: str, kid: str) -> dict[str, Any]:
    told = jwt.get_algorithm_by_name(algorithm).to_jwk(private_key(algorithm).public_key(), as_dict=True)
    return {**told, "kid": kid, "use": "sig", "alg": algorithm}


def described(algorithm: str = "HS256", **more: Any) -> dict[str, Any]:
    """An entry of `TORIL["CREDENTIALS"]["JWT"]`."""
    key = {"KEY": SECRET if algorithm == "HS256" else pem(algorithm)}
    if {"KEY_FILE", "JWKS_URL"} & more.keys():
        key = {}
    return {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "ALGORITHMS": [algorithm], **key, **more}


def claims(**more: Any) -> dict[str, Any]:
    """Those of a good token; what is None is left out."""
    now = int(time.time())
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "exp": now + 600, "iat": now} | more
    return {name: value for name, value in told.items() if value is not None}


def token(algorithm: str = "HS256", key: Any = None, headers: dict[str, Any] | None = None, **more: Any) -> str:
    return jwt.encode(claims(**more), key or private_key(algorithm), algorithm, headers=headers)


def handmade(header: Any, payload: Any, signature: bytes = b"") -> str:
    """Parts that no library would put together; texts are taken as they are."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    return ".".join(encoded(part.encode()) for part in parts) + "." + encoded(signature)


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")
