"""The pages' addresses, wherever the site is: by itself, or within a host's."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, register_converter

from dashboard import theme
from dashboard.live import polling
from dashboard.pages.alert import page as alerts
from dashboard.pages.audit import page as audit
from dashboard.pages.failure import failures
from dashboard.pages.failure import page as failure
from dashboard.pages.flow import page as flows
from dashboard.pages.job import page as job
from dashboard.pages.key import page as keys
from dashboard.pages.metrics import page as metrics
from dashboard.pages.operation import page as operations
from dashboard.pages.overview import page as overview
from dashboard.pages.queue import page as queue
from dashboard.pages.redis import check
from dashboard.pages.redis import page as redis
from dashboard.pages.scheduler import page as schedulers
from dashboard.pages.search import page as search
from dashboard.pages.settings import page as settings
from dashboard.pages.shell import door, jump
from dashboard.pages.webhook import page as webhook
from dashboard.pages.webhook import webhooks
from dashboard.pages.worker import page as workers
from dashboard.raw_path import Segment

register_converter(Segment, "segment")

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/queues", overview.overview),
    path("admin/queues/", overview.overview),
    path("admin/queues/queue", door.by_query, name="queue-door"),
    path("admin/queues/queue/<segment:queue>", queue.queue_page),
    path("admin/queues/queue/<segment:queue>/<segment:job_id>", job.job_page),
    path("admin/queues/search", search.search_page),
    path("admin/queues/failures", failures.failures_page),
    path("admin/queues/failures/<int:group>", failure.failure_page),
    path("admin/queues/job-schedulers", schedulers.schedulers_page),
    path("admin/queues/flows", flows.flows_page),
    path("admin/queues/workers", workers.workers_page),
    path("admin/queues/jump", jump.jump_page),
    path("admin/queues/settings", settings.settings_page),
    path("admin/queues/theme.css", theme.theme_css),
    path("admin/queues/live", polling.news),
    path("admin/queues/metrics-history", metrics.metrics_page),
    path("admin/queues/operations", operations.operations_page),
    path("admin/queues/operations/new", operations.new_page),
    path("admin/queues/operations/<int:number>", operations.operation_page),
    path("admin/queues/webhooks", webhooks.webhooks_page),
    path("admin/queues/webhooks/new", webhooks.new_page),
    path("admin/queues/webhooks/<int:number>", webhook.webhook_page),
    path("admin/queues/webhooks/<int:number>/deliveries/<int:delivery>", webhook.delivery_page),
    path("admin/queues/keys", keys.keys_page),
    path("admin/queues/keys/new", keys.new_page),
    path("admin/queues/alerts", alerts.alerts_page),
    path("admin/queues/alerts/<int:number>", alerts.alert_page),
    path("admin/queues/redis", redis.redis_page),
    path("admin/queues/check", check.check_page),
    path("admin/queues/audit", audit.audit_page),
]
