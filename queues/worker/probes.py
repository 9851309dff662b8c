"""What a health probe is told, by HTTP or in a file. It knows no Django: a supervisor uses it too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queues.errors import ConfigurationError

LONGEST_HEAD = 8_192
ASKED_WITHIN_S = 5.0
WRITE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reasons` say why not; with `ok` they say what should be looked at all the same."""

    ok: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`live` False: a restart would help. `ready` False: no job would start now. `facts` are for people."""

    live: Verdict
    ready: Verdict
    facts: dict[str, Any]

    def answer(self, *asked: str) -> tuple[bool, dict[str, Any]]:
        verdicts = {name: verdict for name, verdict in (("live", self.live), ("ready", self.ready)) if name in asked}
        ok = all(verdict.ok for verdict in verdicts.values())
        words = {name: verdict.ok for name, verdict in verdicts.items()}
        reasons = [reason for verdict in verdicts.values() for reason in verdict.reasons]
        return ok, {"ok": ok, **words, "reasons": list(dict.fromkeys(reasons)), **self.facts}


PATHS = {"/livez": ("live",), "/readyz": ("ready",), "/healthz": ("live", "ready")}


def place(text: str) -> tuple[str, int]:
    """`8081`, `0.0.0.0:8081` or `[::]:8081`. Raises ValueError."""
    host, _, port = text.rpartition(":")
    number = int(port)
    if not 0 <= number <= 65_535:
        raise ValueError(text)
    return host.strip("[]") or "127.0.0.1", number


def listen(where: tuple[str, int]) -> socket.socket:
    """Raises ConfigurationError where it cannot."""
    host, port = where
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as stack:
            listening = stack.enter_context(socket.socket(family, kind))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            stack.pop_all()
    except OSError as error:
        raise ConfigurationError(f"--health-port: nothing can listen on {host}:{port}: {error.strerror}.") from None
    return listening


async def answer(listening: socket.socket, report: Callable[[], Report]) -> None:
    """Answer probes until cancelled."""
    server = await asyncio.start_server(lambda reader, writer: _answer(reader, writer, report), sock=listening)
    async with server:
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, report: Callable[[], Report]) -> None:
    try:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(ASKED_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head[:LONGEST_HEAD].split(b" ", 2), report))
                await writer.drain()
    finally:
        writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _response(request: list[bytes], report: Callable[[], Report]) -> bytes:
    method, path = request[0].decode("latin-1"), request[1].decode("latin-1").partition("?")[0] if request[1:] else ""
    if method not in ("GET", "HEAD"):
        status, body = "405 Method Not Allowed", {"ok": False, "reasons": ["Probes are asked with GET."]}
    elif path not in PATHS:
        status, body = "404 Not Found", {"ok": False, "reasons": [f"There are {', '.join(PATHS)}."]}
    else:
        ok, body = report().answer(*PATHS[path])
        status = "200 OK" if ok else "503 Service Unavailable"
    text = json.dumps(body).encode() + b"\n"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return head.encode() + b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" + (b"" if method == "HEAD" else text)


class HealthFile:
    """Holds the report while the process is live, and is gone otherwise; a frozen process lets it grow old.

    `complain` is told, once, where it cannot be written; it must not wait.
    """

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._path, self._complain, self._has_complained = path, complain, False

    def write(self, report: Report) -> None:
        """Never raises: a read-only disk stops no job."""
        _, body = report.answer("live", "ready")
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            if not report.live.ok:
                self._path.unlink(missing_ok=True)
                return
            beside.write_text(json.dumps(body) + "\n")
            beside.replace(self._path)
            self._has_complained = False
        except OSError as error:
            if not self._has_complained:
                self._complain(f"--health-file {self._path} cannot be written: {error.strerror}")
            self._has_complained = True

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


async def tell(report: Callable[[], Report], listeners: Iterable[Callable[[Report], None]]) -> None:
    """Tell them each second, until cancelled."""
    while True:
        for listener in listeners:
            listener(report())
        await asyncio.sleep(WRITE_EVERY_S)
