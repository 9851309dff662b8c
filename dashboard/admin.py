"""The mirror and the audit trail in Django's admin: to read and to search. Nothing is changed: Redis is the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import hosting, links
from dashboard.grants import Grants, grants_of
from dashboard.models import QueueGrant
from dashboard.pages.audit import lines as audit_lines
from dashboard.request import Request
from dashboard.tags.toril import moment
from dashboard.visibility import rows_for
from queues.abilities import ABILITIES
from queues.masking import mask_json, mask_text
from queues.models import ApiKey, AuditEntry, Job, Outcome, Queue

if TYPE_CHECKING:
    Records = admin.ModelAdmin[Any]
else:
    Records = admin.ModelAdmin

#: What an address may narrow a list by: its filters, its dates, and the links of the dashboard.
OPEN_LOOKUPS = frozenset(
    (
        *(f"{name}__exact" for name in ("connection", "queue", "job_id", "state", "is_paused", "outcome", "action")),
        *("state", "outcome", "action", "queue", "connection", "removed_at__isempty"),
        *(f"at__{part}" for part in ("year", "month", "day", "gte", "lt")),
    )
)
#: A payload longer than this is shown cut; the job's page has it whole.
SHOWN = 20_000
NAME = get_user_model().USERNAME_FIELD

if not hosting.is_guest():
    admin.site.site_header = gettext_lazy("Toril records")
    admin.site.site_title = gettext_lazy("Toril records")
    admin.site.index_title = gettext_lazy("What was mirrored from Redis, and who did what")
    admin.site.site_url = f"{settings.FORCE_SCRIPT_NAME or ''}/{links.BASE}/"


class ReadOnly(Records):
    """Who may see the queue may look, as in the dashboard; nobody adds, changes or deletes."""

    #: What is needed to see a row, and the column that names its queue.
    needs, queue_column = "queue.view", "queue"

    show_full_result_count = False
    list_per_page = 50
    actions = None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Django allows a lookup on every column: `?data__contains=…` would find out what stands behind a mask.
        is_column = lookup.partition("__")[0] in {field.name for field in self.opts.get_fields()}
        return (lookup in OPEN_LOOKUPS or not is_column) and super().lookup_allowed(lookup, value, request)

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
    if not hasattr(request, "grants"):
        # In a host's admin, where `dashboard.access` does not stand before it.
        cast(Request, request).grants = grants_of(request.user)
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

    @admin.display(description=gettext_lazy("in the dashboard"))
    def page(self, queue: Queue) -> SafeString:
        return _link(links.queue_url(queue.connection, queue.name), _("live page"))


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_filter = ("state", "connection", ("removed_at", admin.EmptyFieldListFilter), "queue")
    search_help_text = gettext_lazy("A job's id or queue, or a part of its name or error")
    exclude = ("data", "opts", "return_value", "stacktrace", "progress", "failed_reason", "deferred_failure")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        error = _for_reader(request, "error", lambda job: mask_text(job.first_error_line)[:120])
        return ["job_id", "queue", "name", "state", "added", "attempts_made", error, "removed_at", "page"]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        # Whoever sees a mask must not find out by searching what is behind it.
        plain = ("=job_id", "=queue", "name")
        can = grants_in(request)
        return (*plain, "failed_reason") if can.may("job.payload") and can.may("job.reveal") else plain

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        texts = (
            ("data", lambda job: mask_json(job.data)),
            ("options", lambda job: mask_json(job.opts)),
            ("return value", lambda job: mask_json(job.return_value)),
            ("progress", lambda job: mask_json(job.progress)),
            ("failed reason", lambda job: mask_text(job.failed_reason)),
            ("deferred failure", lambda job: mask_text(job.deferred_failure)),
            ("stacks", lambda job: mask_text("\n\n".join(job.stacks) or job.stacktrace)),
        )
        return ["page", "added", *(_for_reader(request, name, read) for name, read in texts)]

    @admin.display(description=gettext_lazy("in the dashboard"))
    def page(self, job: Job) -> SafeString:
        return _link(links.job_url(job.connection, job.queue, job.job_id), _("live page"))

    @admin.display(description=gettext_lazy("added"), ordering="timestamp_ms")
    def added(self, job: Job) -> str:
        return moment(job.timestamp_ms)


def _for_reader(request: HttpRequest, name: str, read: Callable[[Job], str]) -> Callable[[Job], str]:
    """A column for those who may read what the job carries; for others it is empty."""

    @admin.display(description=name)
    def column(job: Job) -> str:
        may_read = grants_in(request).on(job.queue, job.connection).may("job.payload")
        return _cut(read(job)) if may_read else "–"

    column.__name__ = f"{name.replace(' ', '_')}_"
    return column


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    needs = "audit.view"
    list_display = ("at", "actor", "action", "target", "outcome", "affected", "told")
    list_filter = ("outcome", "action", "connection")
    search_fields = ("actor", "queue", "=job_id", "message")
    date_hierarchy = "at"
    exclude = ("parameters", "message")
    list_select_related = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        @admin.display(description=gettext_lazy("parameters"))
        def parameters(entry: AuditEntry) -> str:
            return audit_lines.line(entry, grants_in(request), SHOWN).parameters

        return ["target", "told", parameters]

    @admin.display(description=gettext_lazy("message"))
    def told(self, entry: AuditEntry) -> str:
        return mask_text(entry.message)

    @admin.display(description=gettext_lazy("target"))
    def target(self, entry: AuditEntry) -> SafeString | str:
        if entry.job_id:
            shown = f"{entry.queue} / {entry.job_id}"
            return _link(links.job_url(entry.connection, entry.queue, entry.job_id), shown)
        return _link(links.queue_url(entry.connection, entry.queue), entry.queue) if entry.queue else ""


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """To whoever may end others' keys; they are made, rotated and revoked in the dashboard. Digests are nowhere."""

    needs = "key.revoke"
    list_display = ("name", "owner", "made_at", "made_by", "expires_at", "revoked_at", "used_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), ("owner", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    search_fields = ("name", f"owner__{NAME}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # A key is of no queue: it is seen by those alone who may do this everywhere.
        rows = super(ReadOnly, self).get_queryset(request)
        return rows if grants_in(request).may(self.needs) else rows.none()

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return grants_in(request).may(self.needs)


class GrantForm(forms.ModelForm):  # type: ignore[type-arg]
    """Nobody gives what they have not got; whoever may do something to a queue sees it."""

    abilities = forms.MultipleChoiceField(choices=tuple(ABILITIES.items()), widget=forms.CheckboxSelectMultiple)
    giver: Grants

    class Meta:
        model = QueueGrant
        fields = ("user", "group", "connection", "queue", "abilities")

    def clean_abilities(self) -> list[str]:
        chosen = {"view", *self.cleaned_data["abilities"]}
        if lacking := chosen - self.giver.abilities:
            raise forms.ValidationError(
                _("You cannot give what you have not got yourself on all queues: %(abilities)s.")
                % {"abilities": ", ".join(sorted(lacking))}
            )
        return [ability for ability in ABILITIES if ability in chosen]


@admin.register(QueueGrant)
class QueueGrantAdmin(Records):
    """Recorded as `grant.add`, `grant.change` and `grant.remove`, together with the row itself."""

    form = GrantForm
    list_display = ("__str__", "connection", "queue", "given")
    search_fields = ("queue", f"user__{NAME}", "group__name")
    list_filter = ("group",)
    list_select_related = ("user", "group")

    @admin.display(description=gettext_lazy("abilities"))
    def given(self, grant: QueueGrant) -> str:
        return ", ".join(map(str, grant.abilities))

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        # A host may have people without a page for them in its admin.
        return [name for name, model in (("user", get_user_model()), ("group", Group)) if self._is_known(model)]

    def _is_known(self, model: type[Model]) -> bool:
        return self.admin_site.is_registered(model) and bool(self.admin_site.get_model_admin(model).search_fields)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change=change, **kwargs)
        return type(made.__name__, (made,), {"giver": grants_in(request)})

    def save_model(self, request: HttpRequest, obj: QueueGrant, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        _note(request, "grant.change" if change else "grant.add", obj)

    def delete_model(self, request: HttpRequest, obj: QueueGrant) -> None:
        _note(request, "grant.remove", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[QueueGrant]) -> None:
        for grant in queryset:
            _note(request, "grant.remove", grant)
        super().delete_queryset(request, queryset)


def _note(request: HttpRequest, action: str, grant: QueueGrant) -> None:
    """In the transaction that changes the grant: no trace, no change."""
    holder = f"user {grant.user}" if grant.user else f"group {grant.group}"
    told = {"to": holder, "connection": grant.connection, "queue": grant.queue, "abilities": grant.abilities}
    actor = grants_in(request).actor
    AuditEntry.objects.create(
        user_id=actor.user_id,
        actor=actor.name,
        action=action,
        parameters=json.dumps(told, ensure_ascii=False),
        outcome=Outcome.DONE,
        closed_at=timezone.now(),
        message=f"{holder}, queues “{grant.queue}”: {', '.join(map(str, grant.abilities))}.",
    )


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else _long(text)


def _long(text: str) -> str:
    told = _("%(start)s … (%(count)s characters; the live page has all)")
    return told % {"start": text[:SHOWN], "count": f"{len(text):,}"}
