"""What bin/up is to start, from the environment, `.env.local` and `.env`: one frozen, checked value."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dashboard import environment
from queues import options
from queues.errors import ConfigurationError


class PortInUse(ConfigurationError):
    """Somebody else listens there."""


@dataclass(frozen=True)
class Plan:
    host: str
    port: int
    var: Path
    has_queue: bool
    """False: USE_JOB_QUEUE=false, jobs run inside the web process and there is no Redis."""
    redis_url: str
    """The Redis of the person's own; empty: the embedded one."""
    has_demo: bool
    """Sample traffic; the samples themselves (`TORIL_DEMO` of what is started) work without a queue too."""
    root: Path
    environ: Mapping[str, str]

    @classmethod
    def read(cls, root: Path) -> Plan:
        """Raises ConfigurationError naming the variable that is wrong."""
        environ = environment.read_environment(root)
        host = environ.get("HOST", "").strip() or "127.0.0.1"
        own_redis = options.redis_url(environ) if options.redis_configured(environ) else ""
        has_queue = environment.flag(environ, "USE_JOB_QUEUE", True)
        has_samples = environment.flag(environ, "TORIL_DEMO", not own_redis)
        return cls(
            host=host.strip("[]"),
            port=_port(environ.get("PORT", "").strip() or "8000"),
            var=environment.var_folder(environ, root),
            has_queue=has_queue,
            redis_url=own_redis,
            has_demo=has_samples and has_queue,
            root=root,
            # As it was given: what stands in files is read by each child itself, and is in nobody's environment.
            environ={**os.environ, "TORIL_DEMO": str(int(has_samples)), "PYTHONUNBUFFERED": "1"},
        )

    @property
    def reachable_host(self) -> str:
        """The host by which this machine itself reaches the web."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def address(self) -> str:
        host = f"[{self.reachable_host}]" if ":" in self.reachable_host else self.reachable_host
        return f"http://{host}:{self.port}"

    def manage(self, *words: str) -> list[str]:
        return [sys.executable, "manage.py", *words]

    def check_port(self) -> None:
        """Raises ConfigurationError where the web could not listen."""
        try:
            family, kind, _, _, where = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        except socket.gaierror:
            raise ConfigurationError(f"HOST is “{self.host}”, which is no address of this machine.") from None
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(where)
                probe.listen(1)
            except PermissionError:
                raise ConfigurationError(f"PORT is {self.port}, which only root may listen on.") from None
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortInUse(
                        f"Port {self.port} on {self.host} is in use, perhaps by another bin/up: end what listens "
                        f"there, or choose another, as in PORT={self.port % 65_535 + 1} bin/up."
                    ) from None
                why = os.strerror(error.errno or 0)
                raise ConfigurationError(f"HOST is “{self.host}”, where this machine cannot listen: {why}.") from None


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise ConfigurationError(f"PORT must be a whole number from 1 to 65535, not {text!r}.")
    return int(text)
