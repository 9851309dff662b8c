"""Finds a Python that is new enough. Must itself run on any Python 3: it is what says that one is too old."""

import os
import shutil
import subprocess
import sys
from typing import Iterator, Optional, Tuple

NEEDED = (3, 11)
NEWEST_MINOR = 20


def require(script: str) -> None:
    """Return if this Python will do; else start `script` again under one that will, or end with a sentence."""
    if sys.platform == "win32":
        sys.exit("Toril needs Linux or macOS; on Windows, run it inside WSL.")
    if sys.version_info >= NEEDED:
        return
    newer = find(NEEDED)
    if newer is None:
        have = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit("Toril needs Python 3.11 or newer; this is Python " + have + ", and the PATH has no newer one.")
    os.execv(newer, [newer, script, *sys.argv[1:]])  # noqa: S606


def find(least: Tuple[int, int]) -> Optional[str]:
    """The path of the lowest interpreter on the PATH, or among pyenv's, of at least this version; else None."""
    for minor in range(least[1], NEWEST_MINOR):
        for candidate in _candidates("python3." + str(minor)):
            if _runs(candidate, least):
                return candidate
    return None


def _candidates(name: str) -> Iterator[str]:
    found = shutil.which(name)
    if found:
        yield found
    versions = os.path.expanduser("~/.pyenv/versions")
    for version in sorted(os.listdir(versions)) if os.path.isdir(versions) else ():
        path = os.path.join(versions, version, "bin", name)
        if os.path.exists(path):
            yield path


def _runs(python: str, least: Tuple[int, int]) -> bool:
    # pyenv puts a shim for every version on the PATH, and most of those refuse to run.
    check = "import sys; sys.exit(sys.version_info < " + repr(tuple(least)) + ")"
    answer = subprocess.call([python, "-c", check], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return answer == 0
