"""A container's health check: whether /livez answers on a port of this machine, PORT where none is named.

python deploy/docker/alive.py [port]
"""

import http.client
import os
import sys


def main() -> int:
    port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", "8000"))
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=2.5)
    try:
        asked.request("GET", "/livez")
        answer = asked.getresponse()
        sys.stdout.write(answer.read(4_000).decode(errors="replace"))
    except OSError as error:
        sys.stdout.write(f"Nothing answers on port {port}: {error}\n")
        return 1
    finally:
        asked.close()
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
