"""Another client of the same Redis, that asks for one key each two milliseconds: what it waits, others wait.

`python -m tests.bench.peers.probe PORT`: it runs until SIGTERM and prints its figures as JSON then, in milliseconds.
"""

from __future__ import annotations

import gc
import json
import signal
import socket
import statistics
import sys
import time

EVERY_S = 0.002


def main(port: int) -> None:
    # Plain: what a library does after the answer would count as Redis's.
    waits: list[float] = []
    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    gc.disable()
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("ready", flush=True)
        while going:
            began = time.perf_counter()
            line.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nprobe\r\n")
            line.recv(64)
            waits.append((time.perf_counter() - began) * 1000)
            time.sleep(EVERY_S)
    quantiles = statistics.quantiles(waits, n=1000)
    told = {"asked": len(waits), "p50": quantiles[499], "p99": quantiles[989], "max": max(waits)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
