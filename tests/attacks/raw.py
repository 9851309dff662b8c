"""A client that says what no library would."""

from __future__ import annotations

import socket
from contextlib import suppress
from urllib.parse import urlsplit


class Raw:
    """One connection to the server at this address."""

    def __init__(self, address: str) -> None:
        to = urlsplit(address)
        self.host = to.netloc
        self.socket = socket.create_connection((to.hostname, to.port), timeout=60)
        self.heard = b""

    def say(self, sent: bytes) -> None:
        """What the other side no longer takes is not said."""
        with suppress(ConnectionError):
            self.socket.sendall(sent)

    def is_cut(self) -> bool:
        """Takes what there is, and waits for nothing."""
        self.socket.setblocking(False)
        try:
            while piece := self.socket.recv(65_536):
                self.heard += piece
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            self.socket.settimeout(60)

    def to_the_end(self) -> bytes:
        """Everything until the server closes."""
        with suppress(ConnectionError):
            while piece := self.socket.recv(65_536):
                self.heard += piece
        return self.heard

    def close(self) -> None:
        self.socket.close()
