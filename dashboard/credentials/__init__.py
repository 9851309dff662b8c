"""Who a program is: by API key, token or session; one answer for HTTP and for sockets.

`await identify(headers, cookies, token=…)` → `Identity`, or `queues.errors.Unauthorized`. `await recheck(identity)` is
for streams that live long: what its holder may now, or None.
"""

from dashboard.credentials.identifying import identify, recheck
from dashboard.credentials.identity import NOBODY, Identity
from dashboard.credentials.paths import is_program

__all__ = ["NOBODY", "Identity", "identify", "is_program", "recheck"]
