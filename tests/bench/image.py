"""The image without an engine: the Dockerfile done with packages from the registry; how long, and how large."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.deploy.image import Build


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        image = Build(Path(folder), borrowed=False).run()
        print(f"{'built in':<20}{time.monotonic() - began:>8.0f} s")
        for path in ("opt", "app"):
            print(f"{'/' + path:<20}{megabytes(image.folder / path):>8.0f} MB")


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 2**20


if __name__ == "__main__":
    main()
