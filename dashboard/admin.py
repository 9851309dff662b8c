"""The mirror and the audit trail in Django's admin: to read and to search. Nothing is changed: Redis is the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard import links
from dashboard.grants import Grants
from dashboard.request import Request
from dashboard.templatetags.toril import moment
from dashboard.visibility import rows_for
from queues.models import AuditEntry, Job, Queue

if TYPE_CHECKING:
    Records = admin.ModelAdmin[Any]
else:
    Records = admin.ModelAdmin

#: A payload longer than this is shown cut; the job's page has it whole.
SHOWN = 20_000

admin.site.site_header = "Toril records"
admin.site.site_title = "Toril records"
admin.site.index_title = "What was mirrored from Redis, and who did what"
admin.site.site_url = f"{settings.FORCE_SCRIPT_NAME or ''}/{links.BASE}/"


class ReadOnly(Records):
    """Who may see the queue may look, as in the dashboard; nobody adds, changes or deletes."""

    #: What is needed to see a row, and the column that names its queue.
    needs, queue_column = "queue.view", "queue"

    show_full_result_count = False
    list_per_page = 50
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(rows_for(grants_in(request), self.needs, self.queue_column))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return grants_in(request).anywhere.may(self.needs)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def grants_in(request: HttpRequest) -> Grants:
    return cast(Request, request).grants


def _link(address: str, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', address, text)


@admin.register(Queue)
class QueueAdmin(ReadOnly):
    list_display = (
        "name", "connection", "is_paused", "waiting", "active", "prioritized", "delayed", "failed", "completed",
        "synced_at", "removed_at", "page",
    )  # fmt: skip
    list_filter = ("connection", "is_paused", ("removed_at", admin.EmptyFieldListFilter))
    search_fields = ("name",)
    queue_column = "name"
    readonly_fields = ("page",)

    @admin.display(description="in the dashboard")
    def page(self, queue: Queue) -> SafeString:
        return _link(links.queue_url(queue.connection, queue.name), "live page")


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ("job_id", "queue", "name", "state", "added", "attempts_made", "error", "removed_at", "page")
    list_filter = ("state", "connection", ("removed_at", admin.EmptyFieldListFilter), "queue")
    search_fields = ("=job_id", "=queue", "name", "failed_reason")
    search_help_text = "A job's id or queue, or a part of its name or error"
    exclude = ("data", "opts", "return_value", "stacktrace", "progress", "failed_reason")
    readonly_fields = ("page", "added", "data_", "opts_", "return_value_", "progress_", "error_", "stacktrace_")

    @admin.display(description="in the dashboard")
    def page(self, job: Job) -> SafeString:
        return _link(links.job_url(job.connection, job.queue, job.job_id), "live page")

    @admin.display(description="added", ordering="timestamp_ms")
    def added(self, job: Job) -> str:
        return moment(job.timestamp_ms)

    @admin.display(description="error")
    def error(self, job: Job) -> str:
        return job.first_error_line[:120]

    @admin.display(description="data")
    def data_(self, job: Job) -> str:
        return _cut(job.data)

    @admin.display(description="options")
    def opts_(self, job: Job) -> str:
        return _cut(job.opts)

    @admin.display(description="return value")
    def return_value_(self, job: Job) -> str:
        return _cut(job.return_value)

    @admin.display(description="progress")
    def progress_(self, job: Job) -> str:
        return _cut(job.progress)

    @admin.display(description="failed reason")
    def error_(self, job: Job) -> str:
        return _cut(job.failed_reason)

    @admin.display(description="stacks")
    def stacktrace_(self, job: Job) -> str:
        return _cut("\n\n".join(job.stacks) or job.stacktrace)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    needs = "audit.view"
    list_display = ("at", "actor", "action", "target", "outcome", "affected", "message")
    list_filter = ("outcome", "action", "connection")
    search_fields = ("actor", "queue", "=job_id", "message")
    date_hierarchy = "at"
    readonly_fields = ("target",)
    list_select_related = False

    @admin.display(description="target")
    def target(self, entry: AuditEntry) -> SafeString | str:
        if entry.job_id:
            shown = f"{entry.queue} / {entry.job_id}"
            return _link(links.job_url(entry.connection, entry.queue, entry.job_id), shown)
        return _link(links.queue_url(entry.connection, entry.queue), entry.queue) if entry.queue else ""


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} … ({len(text):,} characters; the live page has all)"
