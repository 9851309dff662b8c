"""A million inputs for every parser of what others write and send: no crash, none over 100 ms, none over 64 MB.

BENCH_INPUTS says how many in all, BENCH_SEED where chance begins, BENCH_FIGURES=search,masks picks some parsers,
BENCH_AT_ONCE how many run side by side (one for each core), each a process of its own. A quarter of the inputs are the
tests' own seeds changed blindly, the rest is made by atheris, which looks at what each input reaches. Seconds are the
processor's. Ends with 1 where anything was found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.stand import ROOT

INPUTS = int(os.environ.get("BENCH_INPUTS", "1000000"))
SEED = int(os.environ.get("BENCH_SEED", "1"))
AT_ONCE = int(os.environ.get("BENCH_AT_ONCE", str(os.cpu_count() or 1)))
PARTS = [each for each in os.environ.get("BENCH_FIGURES", "").split(",") if each]


def main() -> int:
    names = PARTS or _names()
    each, began = -(-INPUTS // len(names)), time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as running:
        told = list(running.map(_run, names, [each] * len(names)))
    total = sum(one["inputs"] for one in told)
    faults = {f"{one['parser']}: {what}": data for one in told for what, data in one["faults"].items()}
    for what, data in faults.items():
        print(f"  {what}\n    {data}")
    figures = {
        "inputs": total, "parsers": len(told), "faults": len(faults),
        "slowest_ms": max(one["slowest_ms"] for one in told), "largest_mb": max(one["largest_mb"] for one in told),
        "took_s": round(time.monotonic() - began), "seed": SEED,
    }  # fmt: skip
    print(json.dumps(figures))
    return int(bool(faults))


def _names() -> list[str]:
    code = "import django; django.setup(); from tests.attacks.parsers import TARGETS; print(*TARGETS)"
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environ, text=True).split()


def _run(name: str, inputs: int) -> dict[str, Any]:
    asked = [sys.executable, "-m", "tests.bench._fuzzer", name, str(inputs), str(SEED)]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        found = {"parser": name, "inputs": 0, "slowest_ms": 0.0, "largest_mb": 0.0}
        return found | {"faults": {f"the process ended with {done.returncode}": done.stderr[-600:]}}
    found = json.loads(lines[-1])
    print(
        f"{name:<18} {found['inputs']:>9,} inputs, slowest {found['slowest_ms']:6.1f} ms, "
        f"most memory {found['largest_mb']:5.1f} MB, {len(found['faults'])} faults",
        flush=True,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
