"""Everything read from Redis, by plain read-only commands: a user with a read-only ACL may browse.

Each function makes one round trip, or two where ids come before hashes.
"""

from queues.protocol.reads.active import lock_owners
from queues.protocol.reads.jobs import (
    PAYLOAD_FIELDS,
    JobLogs,
    JobSight,
    job,
    job_field,
    job_fields,
    job_logs,
    job_states,
)
from queues.protocol.reads.lists import (
    JobPage,
    JobRow,
    due_times,
    first_of_each,
    glimpse,
    job_page,
    scheduler_count,
    state_ids,
    summaries,
)
from queues.protocol.reads.queues import Board, board, queue_facts, queue_names
from queues.protocol.reads.server import Listener, ServerInfo, server_info, worker_clients, worker_listeners

__all__ = [
    "PAYLOAD_FIELDS",
    "Board",
    "JobLogs",
    "JobPage",
    "JobRow",
    "JobSight",
    "Listener",
    "ServerInfo",
    "board",
    "due_times",
    "first_of_each",
    "glimpse",
    "job",
    "job_field",
    "job_fields",
    "job_logs",
    "job_page",
    "job_states",
    "lock_owners",
    "queue_facts",
    "queue_names",
    "scheduler_count",
    "server_info",
    "state_ids",
    "summaries",
    "worker_clients",
    "worker_listeners",
]
