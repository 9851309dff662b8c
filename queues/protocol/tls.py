"""How TLS is spoken with a server, and what went wrong with it, as a sentence."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from queues.errors import ConfigurationError, TorilError
from queues.options import ConnectionOptions

#: What OpenSSL says → what it means for whoever reads it.
WORDS = {
    "WRONG_VERSION_NUMBER": "it speaks no TLS there: rediss:// (REDIS_TLS) is for servers that do",
    "CERTIFICATE_REQUIRED": "it wants a certificate from us: name one in TLS_CERT and TLS_KEY",
    "UNKNOWN_CA": "it does not trust our certificate's authority",
    "CERTIFICATE_EXPIRED": "it says that our certificate has expired",
    "BAD_CERTIFICATE": "it does not take our certificate",
    "HANDSHAKE_FAILURE": "it wants a certificate from us, or another version of TLS",
}


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and how to prove oneself: files in PEM. Without `ca`, whom this machine trusts."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    is_checked: bool = True
    is_host_checked: bool = True

    @classmethod
    def of(cls, options: ConnectionOptions, parts: Mapping[str, Any]) -> Tls:
        """From the connection's own keys, else from what redis-py's parameters in its URL say."""
        is_checked = parts.get("ssl_cert_reqs") != "none"
        return cls(
            options.tls_ca or parts.get("ssl_ca_certs", ""),
            options.tls_cert or parts.get("ssl_certfile", ""),
            options.tls_key or parts.get("ssl_keyfile", ""),
            is_checked,
            is_checked and options.tls_check_hostname and parts.get("ssl_check_hostname", True),
        )

    def context(self) -> ssl.SSLContext:
        """Read anew whenever a file has changed: certificates are renewed under programs that run.

        Raises ConfigurationError naming the file that cannot be used.
        """
        return _context(self, tuple(_changed(file) for file in (self.ca, self.certificate, self.key) if file))


def _changed(file: str) -> float:
    try:
        return Path(file).stat().st_mtime
    except OSError as error:
        raise ConfigurationError(f"The TLS file {file} cannot be read: {error.strerror}.") from None


@lru_cache(maxsize=32)
def _context(tls: Tls, changed: tuple[float, ...]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca or None)
    except (OSError, ValueError):
        raise ConfigurationError(f"The TLS file {tls.ca} holds no certificate of an authority.") from None
    context.check_hostname = tls.is_host_checked
    if not tls.is_checked:
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate:
        try:
            # A key that wants a passphrase would have OpenSSL ask for it at the terminal.
            context.load_cert_chain(tls.certificate, tls.key or None, password="")
        except (OSError, ValueError):
            pair = f"{tls.certificate} and {tls.key}" if tls.key else tls.certificate
            raise ConfigurationError(f"The TLS certificate and key in {pair} cannot be used together.") from None
    return context


def reason(error: BaseException) -> str:
    """Why a server could not be reached, in few words and without a full stop."""
    if isinstance(error, TorilError):
        said = str(error).removeprefix("Redis cannot be reached: ").removeprefix("Redis closed the connection: ")
        return said.rstrip(".")
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not accepted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        said = error.reason or str(error)
        return next((words for name, words in WORDS.items() if name in said), f"TLS failed: {said}")
    if isinstance(error, ConnectionError) and error.errno:
        # asyncio puts words of its own in the place of the system's.
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
