"""The supervisor's entry, run by its path in place of the command that was started: without Django it stays small."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The folder of this file holds modules that are none of the whole world's.
    sys.path[0] = str(Path(__file__).resolve().parents[3])
    from queues.worker.supervision.supervisor import main

    sys.exit(main(sys.argv[1]))
