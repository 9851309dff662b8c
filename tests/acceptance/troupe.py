"""A supervisor with stub children, run as a process by the supervisor's tests: python troupe.py FOLDER.

FOLDER/phases.json lists the phases. A child is {"name", "script", …}; its script is Python that finds `tell(word)`,
which appends to FOLDER/told.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bin"))

from house.child import Child
from house.keeper import Keeper
from house.lock import SharedLock
from house.supervisor import ChildDied, Interrupted, Supervisor
from house.voice import write

PREAMBLE = """
import os, signal, subprocess, sys, time
def tell(word):
    with open("told", "a") as told:
        told.write(word + "\\n")
def until_asked(then=lambda: None):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(then()))
    print("ready", flush=True)
    while True:
        time.sleep(60)
"""


def child(spec: dict, folder: Path) -> Child:
    script = PREAMBLE + spec.pop("script")
    return Child(command=[sys.executable, "-c", script], environment=os.environ, folder=folder, **spec)


def main(folder: Path) -> int:
    phases = json.loads((folder / "phases.json").read_text())
    with SharedLock(folder / "up.lock") as lock, Supervisor(Keeper(lock.path), lock.is_last) as supervisor:
        try:
            for phase in phases:
                children = [child(spec, folder) for spec in phase]
                supervisor.start(children)
                supervisor.run_until(lambda children=children: all(child.lines for child in children))
            write("all stand")
            supervisor.run_until()
        except Interrupted:
            return 0
        except ChildDied as died:
            write(f"{died}: {list(died.child.lines)}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
