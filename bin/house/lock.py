"""Who shares the embedded Valkey: every supervisor of this folder holds the lock, and the last one to leave ends it."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType

from house.voice import say


class SharedLock:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> SharedLock:
        self._file = self.path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting", "for an earlier start in this folder to finish its stop")
            fcntl.flock(self._file, fcntl.LOCK_SH)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_last(self) -> bool:
        """Whether nobody else holds it; if so nobody else gets it before we have let go."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
