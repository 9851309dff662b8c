"""JSON Web Tokens that other systems sign: who their bearer is, and what these claims give."""

from __future__ import annotations

from dashboard.credentials.identity import Identity
from queues.errors import Unauthorized


async def bearer(token: str) -> Identity:
    """Raises Unauthorized for whatever is not a living token of a configured issuer."""
    raise Unauthorized("This credential is not valid.", "credentials_invalid")
