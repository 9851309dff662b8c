"""What settings and environment become: frozen values, checked before they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_URL = "redis://localhost:6379"
DEFAULT_PREFIX = "bull"
DEFAULT_SENTINEL_MASTER = "mymaster"
#: Under this name SQL keeps jobs that run in process; no configured connection may have it.
LOCAL_CONNECTION = "in-process"


@dataclass(frozen=True, slots=True)
class Limiter:
    """At most `max` jobs started per `duration_ms`, over all workers of the queue."""

    max: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failed attempt waits: `fixed` = delay_ms, `exponential` = delay_ms · 2^(attempt-1), `custom` = as the
    processor's own function says.
    """

    type: str
    delay_ms: int
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Keep:
    """How many finished jobs stay in Redis. `count` 0 removes at once; None means no bound."""

    age_s: int | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What `TORIL["QUEUES"][name]` may say; producers apply attempts, backoff and retention, workers the rest."""

    concurrency: int = 1
    limiter: Limiter | None = None
    attempts: int = 1
    backoff: Backoff | None = None
    remove_on_complete: Keep | None = None
    remove_on_fail: Keep | None = None
    lock_duration_ms: int = 30_000
    stalled_interval_ms: int = 30_000
    max_stalled_count: int = 1
    #: How often a job may be started, retries and lost workers included; None means no bound.
    max_started_attempts: int | None = None
    #: Minutes of BullMQ's own metrics lists; None writes none.
    metrics: int | None = None
    #: Nothing in it can be changed from pages and commands; programs and workers go on.
    read_only: bool = False
    #: Whether jobs are retried from pages and commands; completed ones, too.
    allow_retries: bool = True
    allow_completed_retries: bool = True


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """A named Redis plus prefix. `url` is redis://, rediss:// or unix://, with user, password and db inside; several
    hosts in it, with commas between, are Sentinels or nodes of a Cluster.
    """

    name: str
    url: str
    prefix: str = DEFAULT_PREFIX
    #: "single", "sentinel" or "cluster"; empty: one host is single, several are asked (queues/protocol/topology.py).
    topology: str = ""
    sentinel_master: str = DEFAULT_SENTINEL_MASTER
    #: Of the Sentinels themselves; that of the servers stands in the URL.
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    #: None: as the URL says.
    sentinel_tls: bool | None = None
    #: Files in PEM: whom to trust, and how to prove oneself.
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_check_hostname: bool = True

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host:port`, as the URL names them; one empty text for a socket file."""
        return tuple(urlsplit(self.url).netloc.rpartition("@")[2].split(","))

    @property
    def safe_url(self) -> str:
        """The URL without its password and query: the only form that may be shown or logged."""
        parts = urlsplit(self.url)
        login, at, place = parts.netloc.rpartition("@")
        user = login.partition(":")[0]
        # Parameters may hold a password too (`?password=`).
        return parts._replace(netloc=(f"{user}:***@{place}" if at else place), query="").geturl()
