"""Which addresses are for programs, and which of them open for less than a credential with a view of some queue."""

from __future__ import annotations

from django.http import QueryDict

#: Here programs say who they are in a header, and never is anybody sent to sign in.
PROGRAMS = ("/api/", "/v1/", "/admin/queues/api/")
#: A page among them: who is not signed in is sent to sign in, as anywhere.
PAGE = "/api/v1/docs"
METRICS = "/metrics"
EVENTS = "/api/events"
#: Their views decide alone who may read them, with whatever identity there is.
SELF_GUARDED = frozenset({"/api/health", METRICS})
#: They answer anybody: who is bound to data of their own learns nothing there.
_ANYBODYS = ("/api/health",)
#: What `TORIL["PUBLIC_COUNTS"]` opens for reading, unless one of these parameters asks for more than counts.
COUNTS = frozenset({
    "/api/queue/status", "/admin/queues/api/queues", "/v1/admin/queue/metrics", "/v1/admin/queue/metrics/all", METRICS,
})  # fmt: skip
_MORE_THAN_COUNTS = ("jobId", "activeQueue")
#: Where who is bound to data of their own is let in: these views show and take nothing else's.
OWN = ("/api/ws", "/api/events", "/api/pages", "/api/papers", "/api/chat", "/api/deep-research", "/api/messages",
       "/api/scans", "/v1/jobs")  # fmt: skip


def is_program(path: str) -> bool:
    return (path.startswith(PROGRAMS) and path != PAGE) or path == METRICS


def opens_counts(path: str, query: QueryDict) -> bool:
    """Whether this asks for counts and nothing else."""
    return path in COUNTS and not any(query.get(name) for name in _MORE_THAN_COUNTS)


def holds_own(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in OWN) or path in _ANYBODYS
