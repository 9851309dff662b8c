"""Lists the benchmarks in tests/bench and runs them one after the other, in the tests' virtualenv. What begins with the
first option is theirs: `bin/bench faults --minutes 1`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from house.checks import environment, virtualenv_for_tests
from house.virtualenv import ROOT, SetupFailed

FOLDER = ROOT / "tests" / "bench"


def run(arguments: Sequence[str]) -> int:
    known = {path.stem: path for path in sorted(FOLDER.glob("[!_]*.py"))}
    names, options = _names_and_options(arguments)
    names = list(known) if names == ["all"] else names
    if not names:
        return _list(known)
    for name in names:
        if name not in known:
            print(f"bin/bench: there is no benchmark “{name}”; bin/bench alone lists them.", file=sys.stderr)
            return 2
    try:
        virtualenv = virtualenv_for_tests()
    except SetupFailed as error:
        print(f"bin/bench: {error}", file=sys.stderr)
        return 1
    # Every one is run even after one has failed: each compares its own pair.
    # What the tests stand on imports this folder's modules.
    told = environment(virtualenv) | {"PYTHONPATH": str(ROOT / "bin")}
    codes = [
        subprocess.call([virtualenv.python, "-m", f"tests.bench.{name}", *options], cwd=ROOT, env=told)
        for name in names
    ]
    return max(codes)


def _names_and_options(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    first = next((at for at, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    return list(arguments[:first]), list(arguments[first:])


def _list(known: dict[str, Path]) -> int:
    print("\n".join(f"{name:<20} {_sentence(path)}" for name, path in known.items()) or "There are none yet.")
    return 0


def _sentence(path: Path) -> str:
    """The first line of a benchmark's docstring."""
    return path.read_text().lstrip().strip('"').partition("\n")[0].strip('" ')
