"""Bull Board's routes, each under its own address. Words stand before names: a job called `workers` cannot be got here,
as it cannot be there.
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

from dashboard.api.board import (
    flow,
    history,
    job_acts,
    jobs,
    queue_acts,
    queue_facts,
    queues,
    redis,
    schedulers,
)
from dashboard.api.board.route import Routes

_QUEUE = "queues/<segment:queue>"
_JOB = f"{_QUEUE}/<segment:job_id>"
_SCHEDULER = f"{_QUEUE}/job-schedulers/<segment:scheduler_id>"

ROUTES = Routes()
ROUTES.add("redis/stats", GET=redis.stats)
ROUTES.add("queues", GET=queues.queues)
ROUTES.add("job-schedulers", GET=schedulers.schedulers)
ROUTES.add("metrics/history", GET=history.history)
ROUTES.add("metrics/history/usage", GET=history.usage)
ROUTES.add("metrics/history/purge", POST=history.purge)
ROUTES.add("metrics/latency", GET=history.latency)
ROUTES.add("queues/pause", PUT=queue_acts.pause_all)
ROUTES.add("queues/resume", PUT=queue_acts.resume_all)
ROUTES.add(f"{_QUEUE}/metrics", GET=queue_facts.metrics)
ROUTES.add(f"{_QUEUE}/default-job-options", GET=queue_facts.default_job_options)
ROUTES.add(f"{_QUEUE}/workers", GET=queue_facts.workers)
ROUTES.add(f"{_QUEUE}/rate-limit", GET=queue_facts.rate_limit, PUT=queue_acts.set_rate_limit)
ROUTES.add(f"{_QUEUE}/rate-limit/release", PUT=queue_acts.release)
ROUTES.add(f"{_QUEUE}/job-data-schema", GET=queue_facts.job_data_schema)
ROUTES.add(f"{_QUEUE}/add", POST=jobs.add)
ROUTES.add(f"{_QUEUE}/promote", PUT=queue_acts.promote)
ROUTES.add(f"{_QUEUE}/pause", PUT=queue_acts.pause)
ROUTES.add(f"{_QUEUE}/resume", PUT=queue_acts.resume)
ROUTES.add(f"{_QUEUE}/concurrency", PUT=queue_acts.set_concurrency)
ROUTES.add(f"{_QUEUE}/empty", PUT=queue_acts.empty)
ROUTES.add(f"{_QUEUE}/obliterate", PUT=queue_acts.obliterate)
ROUTES.add(f"{_QUEUE}/retry/<str:status>", PUT=queue_acts.retry)
ROUTES.add(f"{_QUEUE}/clean/<str:status>", PUT=queue_acts.clean)
ROUTES.add(f"{_SCHEDULER}/remove", PUT=schedulers.remove)
ROUTES.add(f"{_SCHEDULER}/run", PUT=schedulers.run)
ROUTES.add(_SCHEDULER, PATCH=schedulers.update)
ROUTES.add(f"{_JOB}/logs", GET=jobs.logs)
ROUTES.add(f"{_JOB}/flow", GET=flow.flow)
ROUTES.add(f"{_JOB}/retry", PUT=job_acts.retry)
ROUTES.add(f"{_JOB}/clean", PUT=job_acts.clean)
ROUTES.add(f"{_JOB}/promote", PUT=job_acts.promote)
ROUTES.add(f"{_JOB}/update-data", PATCH=job_acts.update_data)
ROUTES.add(f"{_JOB}/delay", PATCH=job_acts.delay)
ROUTES.add(f"{_JOB}/priority", PATCH=job_acts.priority)
ROUTES.add(f"{_JOB}/remove-unprocessed-children", PUT=job_acts.remove_unprocessed_children)
ROUTES.add(_JOB, GET=jobs.job)
# Whatever else: behind these stands Django's admin, which would send programs to its sign-in.
ROUTES.add("<path:rest>")

urlpatterns: list[URLPattern | URLResolver] = [*ROUTES.patterns]
