"""Sign-in by an OpenID Connect provider (`OIDC`): code flow with PKCE, state and nonce. Authlib asks and checks.

What has to be remembered until the browser comes back is in a signed cookie of its own, so that any web process may
take it up, and a visitor who never comes back leaves nothing behind.
"""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.integrations.base_client import OAuthError
from authlib.integrations.base_client.async_app import AsyncOAuth2Mixin
from authlib.integrations.base_client.async_openid import AsyncOpenIDMixin
from authlib.integrations.base_client.sync_app import BaseApp
from django.utils.translation import gettext as _
from joserfc.errors import JoseError

from dashboard.sign_in.provider import Settings
from queues.errors import Forbidden, TorilError

with warnings.catch_warnings():
    # It would rather have httpx2: the house goes over to that in one step, and has one client of HTTP until then.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client

log = structlog.get_logger("toril.sign_in")
#: The provider is given up after so long.
ANSWERS_WITHIN_S = 10
LEEWAY_S = 30
#: Signed with the provider's private key, never with a secret that we share or none.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_BROKEN = (OAuthError, JoseError, httpx.HTTPError, ValueError, KeyError, TypeError, RuntimeError)


class ProviderAway(TorilError):
    """The provider of sign-in does not answer, or not as one."""

    status, code = 502, "sign_in_provider"


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the provider said of somebody. `groups` is None where it is not asked for them."""

    subject: str
    name: str
    groups: tuple[str, ...] | None


class _App(AsyncOAuth2Mixin, AsyncOpenIDMixin, BaseApp):  # type: ignore[misc]
    client_cls = AsyncOAuth2Client

    async def load_server_metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = await super().load_server_metadata()
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [each for each in offered if each in ALGORITHMS]
        return metadata


async def leave(options: Settings, back: str) -> tuple[str, dict[str, str]]:
    """Where the browser goes, and what must be remembered until it comes `back`. Raises ProviderAway."""
    try:
        app = await _app(options)
        told = await app.create_authorization_url(redirect_uri=back)
    except _BROKEN as error:
        raise _away(error) from None
    return told["url"], {name: told[name] for name in ("state", "nonce", "code_verifier")} | {"back": back}


async def come_back(options: Settings, query: Mapping[str, str], kept: Mapping[str, str]) -> Claimed:
    """Whom the provider sends, where this is the answer to what this very browser asked. Raises Forbidden,
    ProviderAway.
    """
    is_ours = hmac.compare_digest(query.get("state", "").encode(), kept["state"].encode())
    if not is_ours or query.get("iss", options.issuer) != options.issuer:
        raise Forbidden(_("This sign-in was not begun in this browser, or too long ago. Begin anew."))
    if query.get("error") or not query.get("code"):
        log.info("sign-in refused by the provider", why=query.get("error", "no code")[:200])
        raise Forbidden(_("The provider did not let you in."))
    try:
        app = await _app(options)
        token = await app.fetch_access_token(
            redirect_uri=kept["back"], code=query["code"], code_verifier=kept["code_verifier"]
        )
        return await _claimed(app, options, token, kept["nonce"])
    except _BROKEN as error:
        raise _away(error) from None


async def _app(options: Settings) -> _App:
    app = _App(
        None,
        name="oidc",
        client_id=options.client_id,
        client_secret=options.client_secret,
        server_metadata_url=options.issuer.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={
            "scope": " ".join(options.scopes),
            "code_challenge_method": "S256",
            "timeout": ANSWERS_WITHIN_S,
            "trust_env": False,
        },
    )
    metadata = await app.load_server_metadata()
    if metadata.get("issuer") != options.issuer:
        raise ValueError("it calls itself otherwise than OIDC_ISSUER does")
    return app


async def _claimed(app: _App, options: Settings, token: dict[str, Any], nonce: str) -> Claimed:
    only = {
        "iss": {"essential": True, "value": options.issuer},
        "aud": {"essential": True, "value": options.client_id},
        "exp": {"essential": True},
    }
    claims = await app.parse_id_token(token, nonce=nonce, claims_options=only, leeway=LEEWAY_S)
    if claims is None:
        raise ValueError("no ID token")
    asked = {options.user_claim} | ({options.groups_claim} if options.groups_claim else set())
    if not asked <= claims.keys():
        told = await app.userinfo(token=token)
        if told.get("sub") != claims["sub"]:
            raise ValueError("userinfo speaks of somebody else")
        claims = {**told, **claims}
    groups = tuple(map(str, _listed(claims.get(options.groups_claim)))) if options.groups_claim else None
    return Claimed(str(claims["sub"]), str(claims[options.user_claim]), groups)


def _listed(claim: Any) -> list[Any]:
    return claim if isinstance(claim, list) else [claim] if isinstance(claim, str) else []


def _away(error: Exception) -> ProviderAway:
    # Its words may hold what was sent: the code, or the client's secret.
    log.warning("the provider of sign-in failed", why=type(error).__name__, error=str(error)[:200])
    return ProviderAway(_("The provider of sign-in does not answer as it should. The log of the web process has more."))
