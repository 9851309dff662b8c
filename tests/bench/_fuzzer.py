"""Fuzzes one parser, led by what its inputs reach (atheris); prints what was found as one JSON line.

`python -m tests.bench._fuzzer NAME INPUTS SEED`. A fault is kept and the next input taken.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from pathlib import Path

import atheris
import django
from django.conf import settings

LONGEST_BYTES = 4096


def main(name: str, inputs: int, seed: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    with atheris.instrument_imports(include=["queues", "dashboard"]):
        from tests.attacks import parsers  # noqa: F401
    from tests.attacks.fuzzed import Findings, mutated
    from tests.attacks.seeds import BOMBS, seeds
    from tests.listening import SETTINGS

    settings.TORIL = {**settings.TORIL, "CREDENTIALS": SETTINGS["CREDENTIALS"]}

    found = Findings(name)
    # What the first call of each does once is not the input's.
    for data in seeds():
        found.take(data)
    found.slowest_ms = found.largest_mb = 0.0
    blind = inputs // 4
    for data in (*BOMBS, *mutated(random.Random(seed), blind)):
        found.take(data)

    def one(data: bytes) -> None:
        found.take(data)
        if found.inputs >= inputs:
            print(json.dumps(found.told()), flush=True)
            os._exit(bool(found.faults))

    with tempfile.TemporaryDirectory() as folder:
        for at, data in enumerate(seeds()):
            (Path(folder) / str(at)).write_bytes(data)
        told = [f"-seed={seed}", f"-max_len={LONGEST_BYTES}", "-timeout=60", "-rss_limit_mb=4096", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *told, folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
