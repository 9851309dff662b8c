"""Every address of the dashboard, and ids for its elements, from names that may hold anything.

A name is one percent-encoded segment, `%2F` included. `.`, `..` and the empty name cannot be a segment (browsers and
proxies resolve them away, encoded or not); they go through the door `queue?name=…&id=…`.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes, urlencode

from dashboard import hosting
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.codec import raw, text

#: Where the dashboard lies below the site's root.
BASE = "admin/queues"
DEFAULT_CONNECTION = "default"
NO_SEGMENT = ("", ".", "..")
SHARED_PAGES = frozenset(
    "search failures job-schedulers flows workers metrics-history operations alerts webhooks redis check audit keys"
    " settings sessions".split()
)
_UNSAFE_IN_ID = re.compile(rb"[^A-Za-z0-9-]")


def overview_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/", connection, query)


def redis_url(connection: str = DEFAULT_CONNECTION) -> str:
    return _address("/redis", connection, {})


def check_url(connection: str = DEFAULT_CONNECTION) -> str:
    return _address("/check", connection, {})


def queue_url(connection: str, queue: str, **query: object) -> str:
    if queue in NO_SEGMENT:
        return _address("/queue", connection, {"name": queue} | query)
    return _address(f"/queue/{segment(queue)}", connection, query)


def job_url(connection: str, queue: str, job_id: str, **query: object) -> str:
    """`added=<epoch ms>`: that incarnation and no later one, for ids come back."""
    if queue in NO_SEGMENT or job_id in NO_SEGMENT:
        return _address("/queue", connection, {"name": queue, "id": job_id} | query)
    return _address(f"/queue/{segment(queue)}/{segment(job_id)}", connection, query)


def metrics_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/metrics-history", connection, query)


def systems_url(name: str = "") -> str:
    """The form of one of the five systems."""
    return _address(f"/systems/{name}" if name else "/systems", DEFAULT_CONNECTION, {})


def failures_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/failures", connection, query)


def failure_url(connection: str, group: int, **query: object) -> str:
    """A group of failures."""
    return _address(f"/failures/{group}", connection, query)


def audit_page_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/audit", connection, query)


def workers_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/workers", connection, query)


def page_url(path: str, connection: str = DEFAULT_CONNECTION) -> str:
    """A page about a whole connection, by its path below the dashboard: "", `/workers`, `/settings#keys`."""
    path, mark, place = path.partition("#")
    return f"{_address(path or '/', connection, {})}{mark}{place}"


def shared_page(path: str) -> str:
    """Of a path below the dashboard, the page that every connection has."""
    first = path.strip("/").partition("/")[0]
    return f"/{first}" if first in SHARED_PAGES else ""


def operations_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/operations", connection, query)


def operation_url(connection: str, number: int, **query: object) -> str:
    return _address(f"/operations/{number}", connection, query)


def new_operation_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    """What would be touched, before it begins: pages/operation_target.py says what an address may mean."""
    return _address("/operations/new", connection, query)


def keys_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/keys", connection, query)


def new_key_url(connection: str = DEFAULT_CONNECTION) -> str:
    return _address("/keys/new", connection, {})


def webhooks_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/webhooks", connection, query)


def new_webhook_url(connection: str = DEFAULT_CONNECTION) -> str:
    return _address("/webhooks/new", connection, {})


def webhook_url(connection: str, number: int, **query: object) -> str:
    return _address(f"/webhooks/{number}", connection, query)


def delivery_url(connection: str, webhook: int, number: int, **query: object) -> str:
    """One thing that was sent there, or is to be."""
    return _address(f"/webhooks/{webhook}/deliveries/{number}", connection, query)


def alerts_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/alerts", connection, query)


def alert_url(connection: str, number: int, **query: object) -> str:
    return _address(f"/alerts/{number}", connection, query)


def search_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    """`q`: what is typed into the box."""
    return _address("/search", connection, query)


def jump_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/jump", connection, query)


def settings_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    """What a browser chooses for itself, on whatever connection."""
    return _address("/settings", connection, query)


def sessions_url(connection: str = DEFAULT_CONNECTION) -> str:
    return _address("/sessions", connection, {})


def schedulers_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/job-schedulers", connection, query)


def scheduler_url(connection: str, queue: str, scheduler_id: str, **query: object) -> str:
    """Names in the query: a scheduler's id may be anything, and so may its queue's."""
    return schedulers_url(connection, **{"queue": queue, "id": scheduler_id} | query)


def flows_url(connection: str = DEFAULT_CONNECTION, **query: object) -> str:
    return _address("/flows", connection, query)


def flow_url(connection: str, queue: str, job_id: str, **query: object) -> str:
    """The tree below that job."""
    return flows_url(connection, **{"queue": queue, "id": job_id} | query)


def live_url(
    connection: str = DEFAULT_CONNECTION, queue: str | None = None, job_id: str | None = None, **query: object
) -> str:
    return _address("/live", connection, {"queue": queue, "job": job_id} | query)


def records_url(model: str, connection: str, queue: str, job_id: str | None = None) -> str:
    """Where Django's admin lists what is kept of this queue or job: `model` is `job` or `auditentry`."""
    asked = {"connection__exact": connection, "queue__exact": queue}
    if job_id is not None:
        asked["job_id__exact"] = job_id
    return f"{hosting.admin_url(f'toril_{model}_changelist')}?{urlencode(asked)}"


def site_root() -> str:
    """What stands before every path, without its last slash; empty where the site has its host to itself."""
    return hosting.root()


def segment(name: str) -> str:
    """A name as one segment of a path: the exact bytes, percent-encoded once."""
    return quote(raw(name), safe="")


def name_of(encoded: str) -> str:
    """The name that `segment` was given."""
    return text(unquote_to_bytes(encoded))


def fragment_id(kind: str, *names: str) -> str:
    """An element's id of letters, digits, `-` and `_` only; another for other names, the same every time."""
    # `_` is followed by two hex digits or by `_`, the joint: no two lists of names meet in one id.
    return "__".join((kind, *(_UNSAFE_IN_ID.sub(_escape, raw(name)).decode() for name in names)))


def _escape(match: re.Match[bytes]) -> bytes:
    return b"_%02x" % match[0][0]


def _address(path: str, connection: str, query: dict[str, object]) -> str:
    shown = {"connection": connection} if connection not in (DEFAULT_CONNECTION, LOCAL_CONNECTION) else {}
    asked = {key: value for key, value in (query | shown).items() if value is not None}
    return f"{site_root()}/{BASE}{path}" + (f"?{urlencode(asked, doseq=True)}" if asked else "")
